#include "engine/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

#include "error_of.h"
#include "made_up_tokenizer.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

using testing::HasSubstr;

class TokenizerTest : public testing::Test {
 protected:
  TokenizerTest() { write_tokenizer(folder.path()); }
  TemporaryFolder folder;
};

TEST_F(TokenizerTest, BeginsWithBosAndAddsNoEos) {
  const Tokenizer tokenizer(folder.path(), 1);
  EXPECT_EQ(tokenizer.size(), kMadeUpPieces);
  const Encoding e = tokenizer.encode("the sky");
  ASSERT_GT(e.ids.size(), 1u);
  EXPECT_EQ(e.ids.front(), 1);
  EXPECT_NE(e.ids.back(), 2);
  EXPECT_EQ(tokenizer.encode("").ids, std::vector<std::int32_t>{1});
}

TEST_F(TokenizerTest, GivesEveryByteOfTheTextToOneToken) {
  const Tokenizer tokenizer(folder.path(), 1);
  for (const std::string text : {"the sky", " two  spaces   three ", "\n\nline\n\n\nline\n",
                                 "caf\u00e9 \u4f60\u597d \U0001f642 end", "[INST] x [/INST] (A)", "\u00a0tab\tnul"}) {
    const Encoding e = tokenizer.encode(text);
    std::int32_t at = 0;
    for (std::size_t i = 0; i < e.ids.size(); ++i) {
      EXPECT_EQ(e.begin[i], at) << text;
      EXPECT_GE(e.end[i], e.begin[i]);
      at = e.end[i];
    }
    EXPECT_EQ(at, static_cast<std::int32_t>(text.size())) << text;
  }
}

TEST_F(TokenizerTest, GivesACharacterOfManyBytePiecesToTheLast) {
  const Tokenizer tokenizer(folder.path(), 1);
  const Encoding e = tokenizer.encode("\u4f60");
  ASSERT_GE(e.ids.size(), 4u);
  EXPECT_EQ(tokenizer.piece(e.ids.back()), "<0xA0>");
  EXPECT_EQ(e.begin.back(), 0);
  EXPECT_EQ(e.end.back(), 3);
  EXPECT_EQ(e.end[e.end.size() - 2], 0);
}

TEST_F(TokenizerTest, TakesTextThatIsNotUtf8) {
  const Tokenizer tokenizer(folder.path(), 1);
  EXPECT_GT(tokenizer.encode("\xff\xfe[INST]\x80").ids.size(), 3u);
}

TEST_F(TokenizerTest, RefusesABosThatIsNoPiece) {
  EXPECT_THAT(error_of([&] { Tokenizer(folder.path(), kMadeUpPieces); }), HasSubstr("340 pieces, found 340"));
  EXPECT_THAT(error_of([&] { Tokenizer(folder.path(), -1); }), HasSubstr("found -1"));
}

TEST_F(TokenizerTest, RefusesFilesThatAreNoModel) {
  for (const std::string& text :
       {std::string(), std::string("hello"), std::string(1000, '\xff'), std::string("\x0a")}) {
    folder.write("tokenizer.model", text);
    EXPECT_THAT(error_of([&] { Tokenizer(folder.path(), 1); }), HasSubstr("tokenizer.model")) << text;
  }
  const TemporaryFolder empty;
  EXPECT_THAT(error_of([&] { Tokenizer(empty.path(), 1); }), HasSubstr("tokenizer.model"));
}

TEST_F(TokenizerTest, KeepsTheOffsetsOfTheTextWhereItIsNormalized) {
  write_tokenizer(folder.path(), "nmt_nfkc");
  const Tokenizer tokenizer(folder.path(), 1);
  const Encoding e = tokenizer.encode("\uff21 \u2460\ufb01]");  // full-width A, circled 1, ligature fi
  EXPECT_EQ(tokenizer.piece(e.ids.back()), "]");
  EXPECT_EQ(e.begin.back(), 10);
  EXPECT_EQ(e.end.back(), 11);
}

TEST_F(TokenizerTest, LooksForDamagedMapsBehindWhatOnlyProtobufWouldSkip) {
  write_tokenizer(folder.path(), "nmt_nfkc");
  std::ifstream in(folder / "tokenizer.model", std::ios::binary);
  const std::string good(std::istreambuf_iterator<char>(in), {});
  const std::string group = "\x0b\x0c", wide_key = "\x80\x80\x80\x80\x80\x80\x01";
  for (const std::string& first : {group, wide_key}) {
    folder.write("tokenizer.model", first + good);
    EXPECT_THAT(error_of([&] { Tokenizer(folder.path(), 1); }), HasSubstr("tokenizer.model"));
  }
}

TEST_F(TokenizerTest, ThatIsMissingSaysWhichKindIsNeeded) {
  std::filesystem::remove(folder / "tokenizer.model");
  const auto error = [&] { return error_of([&] { Tokenizer(folder.path(), 1); }); };
  EXPECT_THAT(
      error(),
      HasSubstr("tokenizer.model: expected a SentencePiece model, found none there: download tokenizer.model too"));
  folder.write("tokenizer.json", "{}");
  EXPECT_THAT(error(), HasSubstr("found none there, only tokenizer.json: "));
  folder.write("tokenizer.model", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
  EXPECT_THAT(error(), HasSubstr("found a git-lfs pointer to it: run `git lfs pull`"));
}

class DamagedTokenizer : public TokenizerTest, public testing::WithParamInterface<const char*> {};

TEST_P(DamagedTokenizer, IsReadOrRefusedButNeverCrashes) {
  write_tokenizer(folder.path(), GetParam());
  std::ifstream in(folder / "tokenizer.model", std::ios::binary);
  const std::string good(std::istreambuf_iterator<char>(in), {});
  std::mt19937_64 random(3);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bytes = good;
    const std::size_t window =
        i % 2 == 0 ? good.size() : std::min<std::size_t>(good.size(), 6000);  // the pieces, the map's root
    for (std::uint64_t n = random() % 4 + 1; n > 0; --n) bytes[random() % window] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    folder.write("tokenizer.model", bytes);
    refused += !error_of([&] {
                  Tokenizer(folder.path(), 1).encode("[INST] the sky  \u4f60 \uff21\u2460 1234 [/INST] (A)");
                }).empty();
  }
  EXPECT_GT(refused, 50);
}

INSTANTIATE_TEST_SUITE_P(Normalized, DamagedTokenizer, testing::Values("identity", "nmt_nfkc"),
                         [](const auto& rule) { return std::string(rule.param); });

}  // namespace
}  // namespace steergrid
