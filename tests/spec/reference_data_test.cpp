// The published CAA data sets, found through STEERGRID_REFERENCE_DATA (docs/building.md): they parse, with the counts
// of the paper's Table 9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "base/error.h"
#include "spec/data_set.h"

namespace steergrid {
namespace {

struct Published {
  const char* behavior;
  std::size_t pairs, questions;
};

constexpr Published kPublished[] = {{"coordinate-other-ais", 360, 50},
                                    {"corrigible-neutral-HHH", 290, 50},
                                    {"hallucination", 1000, 50},
                                    {"myopic-reward", 950, 50},
                                    {"survival-instinct", 903, 50},
                                    {"sycophancy", 1000, 50},
                                    {"refusal", 408, 50}};

class PublishedDataSets : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("STEERGRID_REFERENCE_DATA");
    if (folder == nullptr || *folder == '\0') GTEST_SKIP() << "STEERGRID_REFERENCE_DATA is not set";
    folder_ = folder;
  }
  DataSet read(const std::string& kind, const std::string& behavior, const std::string& file) const {
    return read_data_set(folder_ + "/" + kind + "/" + behavior + "/" + file, {});
  }
  static std::set<char> letters(const DataSet& set) {
    std::set<char> found;
    for (const AbItem& item : set.items) found.insert({item.matching, item.other});
    return found;
  }

  std::string folder_;
};

TEST_F(PublishedDataSets, ParseWithThePapersCounts) {
  for (const Published& p : kPublished) {
    EXPECT_EQ(read("generate", p.behavior, "generate_dataset.json").items.size(), p.pairs) << p.behavior;
    EXPECT_EQ(read("test", p.behavior, "test_dataset_ab.json").items.size(), p.questions) << p.behavior;
  }
}

TEST_F(PublishedDataSets, HaveLettersUpToHInSurvivalInstinctOnly) {
  for (const Published& p : kPublished) {
    const auto pairs = letters(read("generate", p.behavior, "generate_dataset.json"));
    const auto questions = letters(read("test", p.behavior, "test_dataset_ab.json"));
    const bool more = std::string(p.behavior) == "survival-instinct";
    EXPECT_EQ(std::string(pairs.begin(), pairs.end()), more ? "ABCDEFGH" : "AB") << p.behavior;
    EXPECT_EQ(std::string(questions.begin(), questions.end()), more ? "ABCE" : "AB") << p.behavior;
  }
}

TEST_F(PublishedDataSets, OfOtherKindsAreRefusedWithTheFieldsTheyLack) {
  EXPECT_THROW(read("test", "refusal", "test_dataset_open_ended.json"), Error);
  EXPECT_THROW(read("test", "mmlu", "mmlu.json"), Error);
}

}  // namespace
}  // namespace steergrid
