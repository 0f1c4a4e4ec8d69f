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
      ElementsAre(EndsWith("behaviors[0].questions: 1 of 3 questions repeat an earlier one: they count twice")));
}

/// A data set of these matching letters, each question another one.
std::string items_that_match(const std::string& letters) {
  std::string all;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    std::string one = item(std::to_string(i));
    one.replace(one.find("(A)"), 3, {'(', letters[i], ')'});
    if (letters[i] == 'B') one.replace(one.rfind("(B)"), 3, "(A)");
    all += (all.empty() ? "" : ",") + one;
  }
  return "[" + all + "]";
}

TEST(Warnings, TellALetterThatMostAnswersMatch) {
  const SpecFolder folder;
  folder.write("even.json", items_that_match("AAAAAABBBB"));
  folder.write("most.json", items_that_match("BBBBBBBAAA"));
  EXPECT_THAT(warnings(folder, "even.json", "pairs.json"), IsEmpty());
  EXPECT_THAT(warnings(folder, "most.json", "even.json"),
              ElementsAre(EndsWith("pairs: (B) is the matching answer of 7 of 10 pairs: a preference for that letter "
                                   "becomes part of the vector"),
                          EndsWith("are also pairs of 'refusal': its vectors were made from them")));
  EXPECT_THAT(warnings(folder, "pairs.json", "most.json"),
              ElementsAre(EndsWith("questions: (B) is the matching answer of 7 of 10 questions: a preference for that "
                                   "letter counts as the behavior")));
}

TEST(Warnings, TellQuestionsThatMatchAtOtherLetters) {
  const SpecFolder folder;
  folder.write("test.json", items_that_match("ABCA"));
  EXPECT_THAT(warnings(folder, "pairs.json", "test.json"),
              ElementsAre(EndsWith("questions: 1 of 4 questions match at another letter than (A) and (B): they count "
                                   "as 0 in P(matching), as in CAA")));
}

TEST(Warnings, TellOfADataSetOfTwoRunsOnce) {
  const SpecFolder folder;
  folder.write("test.json", items_that_match("ABCA"));
  EXPECT_THAT(
      warnings(folder, "pairs.json", "test.json\nruns:\n  - { name: again, vectors: refusal, questions: test.json }"),
      ElementsAre(EndsWith("as in CAA")));
}

TEST(Warnings, TellAValidationOfNoRun) {
  const SpecFolder folder;
  folder.write("test.json", "[" + item("x") + "]");
  const auto named = [&](const std::string& name) {
    return warnings(folder, "pairs.json",
                    "test.json\nruns:\n  - { name: " + name + ", vectors: refusal, questions: test.json }");
  };
  EXPECT_THAT(named("refusal.validation"), IsEmpty());
  EXPECT_THAT(
      named("refusl.validation"),
      ElementsAre(EndsWith("no run is called 'refusl', so this one chooses no layer; did you mean 'refusal'?")));
}

TEST(Warnings, AreNoneForADataSetOfItsOwn) {
  const SpecFolder folder;
  folder.write("test.json", "[" + item("x") + "," + item("y") + "]");
  EXPECT_THAT(warnings(folder, "{ file: pairs.json, limit: 5 }", "test.json"), IsEmpty());
}

}  // namespace
}  // namespace steergrid
