#include "spec/warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spec_folder.h"

namespace steergrid {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::IsEmpty;

/// The warnings of good_spec with other pairs and questions.
std::vector<std::string> warnings(const SpecFolder& folder, const std::string& pairs, const std::string& questions) {
  std::string text = good_spec();
  text.replace(text.find("pairs.json"), 10, pairs);
  text.replace(text.find("questions.json"), 14, questions);
  return warnings_of(folder.read(text));
}

std::string item(const std::string& question) {
  return "{\"question\": \"" + question +
         R"json(", "answer_matching_behavior": "(A)", "answer_not_matching_behavior": "(B)"})json";
}

TEST(Warnings, TellALimitAboveTheFile) {
  const SpecFolder folder;
  folder.write("test.json", "[" + item("x") + "," + item("y") + "]");
  EXPECT_THAT(
      warnings(folder, "{ file: pairs.json, limit: 6 }", "{ file: test.json, limit: 2 }"),
      ElementsAre((folder / "sweep.yaml") + ":8:20: behaviors[0].pairs.file: limit 6, but the file has 5 items"));
}

TEST(Warnings, TellQuestionsThatTheVectorsWereMadeFrom) {
  const SpecFolder folder;
  EXPECT_THAT(warnings(folder, "pairs.json", "pairs.json"),
              ElementsAre(EndsWith("behaviors[0].questions: 5 of 5 questions are also pairs of 'refusal': its vectors "
                                   "were made from them")));
}

TEST(Warnings, TellRepeatedQuestions) {
  const SpecFolder folder;
  folder.write("test.json", "[" + item("x") + "," + item("y") + "," + item("x") + "]");
  EXPECT_THAT(
      warnings(folder, "pairs.json", "test.json"),
      ElementsAre(EndsWith("behaviors[0].questions: 1 of 3 questions repeat an earlier one: they count twice and "
                           "narrow the intervals")));
}

TEST(Warnings, AreNoneForADataSetOfItsOwn) {
  const SpecFolder folder;
  folder.write("test.json", "[" + item("x") + "," + item("y") + "]");
  EXPECT_THAT(warnings(folder, "{ file: pairs.json, limit: 5 }", "test.json"), IsEmpty());
}

}  // namespace
}  // namespace steergrid
