#include "engine/chat_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "error_of.h"
#include "made_up_tokenizer.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

using testing::HasSubstr;

constexpr PromptFormat kChat = PromptFormat::CaaLlama2Chat;
constexpr PromptFormat kBase = PromptFormat::CaaBase;

TEST(ChatText, IsCaasLayoutToTheCharacter) {
  EXPECT_EQ(chat_text(kChat, "", " Is it?\n", ""), "[INST] Is it? [/INST]");
  EXPECT_EQ(chat_text(kChat, "", "Is it?", " (A) "), "[INST] Is it? [/INST] (A)");
  EXPECT_EQ(chat_text(kChat, "Be good. ", "Is it?", "("), "<<SYS>>\nBe good. \n<</SYS>>\n\n[INST] Is it? [/INST] (");
  EXPECT_EQ(chat_text(kBase, "", "Is it?", "(A)"), "Input: Is it?\nResponse: (A)");
  EXPECT_EQ(chat_text(kBase, "", "Is it?", ""), "Input: Is it?");
}

TEST(ChatText, IsStrippedAsPythonDoes) {
  // '\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000 x \u200b\ufeff '.strip()
  EXPECT_EQ(chat_text(kBase, "",
                      "\t\n\v\f\r\x1c\x1d\x1e\x1f\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000 x "
                      "\u200b\ufeff ",
                      ""),
            "Input: x \u200b\ufeff");
  EXPECT_EQ(chat_text(kBase, "", " \n ", ""), "Input: ");
  EXPECT_EQ(chat_text(kBase, "", "\xa0x\x85", ""), "Input: \xa0x\x85");  // not UTF-8: left alone
}

TEST(ChatText, OfABaseModelTakesNoSystemPrompt) {
  EXPECT_THAT(error_of([] { chat_text(kBase, "Be good.", "x", ""); }), HasSubstr("caa-base"));
}

class MakePrompt : public testing::Test {
 protected:
  MakePrompt() { write_tokenizer(folder.path()); }
  TemporaryFolder folder;
};

TEST_F(MakePrompt, EndsTheInstructionAtTheTokenOfTheLastBracket) {
  const Tokenizer tokenizer(folder.path(), 1);
  for (const char* user : {"Is the sky blue?", "What does [/INST] mean? \u4f60\u597d", "  spaces   inside\n\n"})
    for (const char* system : {"", "Answer  [/INST] briefly."}) {
      const Prompt with = make_prompt(tokenizer, kChat, system, user, "(A)");
      const Prompt without = make_prompt(tokenizer, kChat, system, user, "");
      EXPECT_EQ(without.instruction_end, static_cast<int>(without.ids.size()) - 1) << user;
      EXPECT_EQ(with.instruction_end, without.instruction_end);
      EXPECT_EQ(shared_prefix(with.ids, without.ids), without.instruction_end + 1);
    }
}

TEST_F(MakePrompt, EndsABaseModelsInstructionAfterResponse) {
  const Tokenizer tokenizer(folder.path(), 1);
  const Prompt p = make_prompt(tokenizer, kBase, "", "Is the sky blue?", "(A)");
  const std::string piece = tokenizer.piece(p.ids[static_cast<std::size_t>(p.instruction_end)]);
  EXPECT_EQ(piece.back(), ':');
  EXPECT_EQ(tokenizer.piece(p.ids.back()), ")");
  EXPECT_THAT(error_of([&] { make_prompt(tokenizer, kBase, "", "Is it?", ""); }), HasSubstr("\"Response:\""));
}

TEST_F(MakePrompt, FindsTheTokenOfALetter) {
  const Tokenizer tokenizer(folder.path(), 1);
  for (const PromptFormat format : {kChat, kBase})
    for (const char letter : {'A', 'B', 'C', 'D', 'Z'}) {
      const std::string answer = std::string("(") + letter + ")";
      const Prompt p = make_prompt(tokenizer, format, "", "Is the sky blue? (A) (B)", answer);
      EXPECT_EQ(letter_token(tokenizer, format, letter), p.ids[p.ids.size() - 2]) << letter;
    }
  EXPECT_EQ(tokenizer.piece(letter_token(tokenizer, kChat, 'B')), "B");
  EXPECT_EQ(tokenizer.piece(letter_token(tokenizer, kChat, 'Z')), "<0x5A>");
  for (const char letter : {'a', '(', '\0'})
    EXPECT_THAT(error_of([&] { letter_token(tokenizer, kChat, letter); }), HasSubstr("'A' to 'Z'"));
}

TEST(SharedPrefix, IsTheLongestCommonOne) {
  EXPECT_EQ(shared_prefix({1, 2, 3}, {1, 2, 4}), 2);
  EXPECT_EQ(shared_prefix({1, 2}, {1, 2, 4}), 2);
  EXPECT_EQ(shared_prefix({5}, {1}), 0);
  EXPECT_EQ(shared_prefix({}, {1}), 0);
}

}  // namespace
}  // namespace steergrid
