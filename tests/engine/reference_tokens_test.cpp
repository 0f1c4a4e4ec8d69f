// Every prompt of the published data, token by token.
//
// STEERGRID_REFERENCE_DATA names a folder with
//   generate/BEHAVIOR/generate_dataset.json         question, answer_matching_behavior, answer_not_matching_behavior
//   test/BEHAVIOR/test_dataset_open_ended.json      question
//   tokens/token_ids.jsonl.gz                       a line a prompt: {"set", "b": behavior, "i": item, "form", "ids"}
//   ../llama2/tokenizer.model                       Llama 2's tokenizer
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "engine/chat_format.h"

namespace steergrid {
namespace {

using nlohmann::json;

constexpr PromptFormat kChat = PromptFormat::CaaLlama2Chat;

class ReferenceTokens : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("STEERGRID_REFERENCE_DATA");
    if (folder == nullptr || *folder == '\0') GTEST_SKIP() << "STEERGRID_REFERENCE_DATA is not set";
    data = folder;
    tokenizer = std::make_unique<Tokenizer>(data + "/../llama2", 1);
  }

  const json& items(const std::string& set, const std::string& behavior) {
    json& all = cache[set + behavior];
    if (all.is_null()) {
      const std::string file = set == "generate" ? "/generate_dataset.json" : "/test_dataset_open_ended.json";
      std::ifstream in(data + (set == "generate" ? "/generate/" : "/test/") + behavior + file);
      all = json::parse(in);
    }
    return all;
  }

  std::string data;
  std::unique_ptr<Tokenizer> tokenizer;
  std::map<std::string, json> cache;
};

std::string unzipped(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path);
  std::string text;
  std::array<char, 65536> block;
  for (int n = 0; (n = gzread(file, block.data(), block.size())) > 0;) text.append(block.data(), n);
  gzclose(file);
  return text;
}

/// CAA's rule: the last token of the last occurrence of encode("[/INST]") without BOS; -1 if there is none.
int caas_instruction_end(const std::vector<std::int32_t>& ids) {
  constexpr std::array<std::int32_t, 4> kEnd = {518, 29914, 25580, 29962};
  const auto found = std::find_end(ids.begin(), ids.end(), kEnd.begin(), kEnd.end());
  return found == ids.end() ? -1 : static_cast<int>(found - ids.begin()) + 3;
}

TEST_F(ReferenceTokens, AllPublishedSequencesMatchExactly) {
  std::map<std::string, int> count;
  std::istringstream lines(unzipped(data + "/tokens/token_ids.jsonl.gz"));
  for (std::string line; std::getline(lines, line);) {
    const json expected = json::parse(line);
    const std::string form = expected["form"];
    const json& item = items(expected["set"], expected["b"]).at(expected["i"].get<std::size_t>());
    const PromptFormat format = form.starts_with("chat") ? kChat : PromptFormat::CaaBase;
    const std::string answer = form.ends_with("+matching") ? item["answer_matching_behavior"] : "";
    const Prompt prompt = make_prompt(*tokenizer, format, "", item["question"].get<std::string>(), answer);
    ASSERT_EQ(prompt.ids, expected["ids"].get<std::vector<std::int32_t>>()) << line.substr(0, 100);
    if (format == kChat)
      ASSERT_EQ(prompt.instruction_end, caas_instruction_end(prompt.ids)) << line.substr(0, 100);
    else  // "Response", ":"
      ASSERT_EQ(prompt.ids[static_cast<std::size_t>(prompt.instruction_end)], 29901) << line.substr(0, 100);
    ++count[form];
  }
  EXPECT_EQ(count, (std::map<std::string, int>{{"base+matching", 350}, {"chat", 353}, {"chat+matching", 4911}}));
}

TEST_F(ReferenceTokens, PairsShareAllButTheLetterAndItIsLastButOne) {
  int prompts = 0;
  for (const auto& folder : std::filesystem::directory_iterator(data + "/generate"))
    for (const json& item : items("generate", folder.path().filename().string())) {
      const std::string question = item["question"];
      const std::string matching = item["answer_matching_behavior"], other = item["answer_not_matching_behavior"];
      const Prompt a = make_prompt(*tokenizer, kChat, "", question, matching);
      const Prompt b = make_prompt(*tokenizer, kChat, "", question, other);
      ASSERT_EQ(a.ids.size(), b.ids.size());
      ASSERT_EQ(shared_prefix(a.ids, b.ids), static_cast<int>(a.ids.size()) - 2) << question;
      for (const auto& [prompt, answer] : {std::pair(&a, &matching), std::pair(&b, &other)}) {
        ASSERT_EQ(prompt->ids.end()[-2], letter_token(*tokenizer, kChat, answer->at(answer->find('(') + 1)));
        ASSERT_EQ(prompt->instruction_end, caas_instruction_end(prompt->ids));
        ++prompts;
      }
    }
  EXPECT_EQ(prompts, 9822);
}

TEST_F(ReferenceTokens, TheInstructionEndIsCaasWithASystemPromptToo) {
  for (const auto& folder : std::filesystem::directory_iterator(data + "/generate"))
    for (const json& item : items("generate", folder.path().filename().string())) {
      const Prompt p = make_prompt(*tokenizer, kChat, "You are a helpful assistant.\nSay so.",
                                   item["question"].get<std::string>(), "(");
      ASSERT_EQ(p.instruction_end, caas_instruction_end(p.ids));
      ASSERT_EQ(p.instruction_end, static_cast<int>(p.ids.size()) - 2);
    }
}

TEST_F(ReferenceTokens, LettersHaveLlamasIds) {
  for (const PromptFormat format : {kChat, PromptFormat::CaaBase}) {
    EXPECT_EQ(letter_token(*tokenizer, format, 'A'), 29909);
    EXPECT_EQ(letter_token(*tokenizer, format, 'B'), 29933);
    for (char letter = 'C'; letter <= 'Z'; ++letter)
      EXPECT_EQ(tokenizer->piece(letter_token(*tokenizer, format, letter)), std::string(1, letter));
  }
}

}  // namespace
}  // namespace steergrid
