// Pairs as tokens, many at once: the same as one by one, and the first bad one is told.
#include "steer/items.h"

#include <gtest/gtest.h>

#include "error_of.h"
#include "made_up_tokenizer.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

std::vector<AbItem> items(int n) {
  std::vector<AbItem> found;
  for (int i = 0; i < n; ++i)
    found.push_back({.question = "Is the sky " + std::string(static_cast<std::size_t>(i), 'y') + "?",
                     .matching_text = "(A)",
                     .other_text = "(B)",
                     .matching = 'A',
                     .other = 'B'});
  return found;
}

class Pairs : public testing::Test {
 protected:
  void SetUp() override { write_tokenizer(folder_.path(), "identity"); }
  TemporaryFolder folder_;
};

TEST_F(Pairs, AreTheSameManyAtOnceAndOneByOne) {
  const Tokenizer tokenizer(folder_.path(), 1);
  for (const int n : {0, 1, 15, 100}) {
    const std::vector<AbItem> all = items(n);
    const std::vector<PairTokens> found = tokenize_pairs(tokenizer, PromptFormat::CaaLlama2Chat, all);
    ASSERT_EQ(found.size(), all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const PairTokens expected = tokenize_pair(tokenizer, PromptFormat::CaaLlama2Chat, all[i]);
      EXPECT_EQ(found[i].matching, expected.matching);
      EXPECT_EQ(found[i].other, expected.other);
      EXPECT_EQ(found[i].shared, expected.shared);
    }
  }
}

TEST_F(Pairs, TellOfTheFirstBadOne) {
  const Tokenizer tokenizer(folder_.path(), 1);
  std::vector<AbItem> all = items(100);
  all[40].matching_text = "first";
  all[90].matching_text = "second";
  EXPECT_NE(error_of([&] { tokenize_pairs(tokenizer, PromptFormat::CaaLlama2Chat, all); }).find("\"first\""),
            std::string::npos);
}

}  // namespace
}  // namespace steergrid
