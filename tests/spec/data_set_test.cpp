#include "spec/data_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "spec_folder.h"

namespace steergrid {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string item(const std::string& question, const std::string& matching, const std::string& other) {
  return fmt::format(R"({{"question": {}, "answer_matching_behavior": {}, "answer_not_matching_behavior": {}}})",
                     question, matching, other);
}

std::string refusal(const std::string& json, std::optional<int> limit = {}) {
  const SpecFolder folder;
  folder.write("set.json", json);
  try {
    read_data_set(folder / "set.json", limit);
    return {};
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::BadInput);
    std::string what = e.what();
    return what.substr(what.find("set.json"));
  }
}

TEST(DataSet, KeepsTextsAndLetters) {
  const SpecFolder folder;
  folder.write("set.json", "[" + item("\"Q\\u00e9?\\n\"", "\" (H) \"", "\"(A)\"") + "]");
  const DataSet set = read_data_set(folder / "set.json", {});
  ASSERT_EQ(set.items.size(), 1u);
  EXPECT_EQ(set.items[0].question, "Q\xc3\xa9?\n");
  EXPECT_EQ(set.items[0].matching_text, " (H) ");
  EXPECT_EQ(set.items[0].matching, 'H');
  EXPECT_EQ(set.items[0].other, 'A');
  EXPECT_EQ(set.path, folder / "set.json");
}

TEST(DataSet, StopsAtItsLimitButIdentifiesTheWholeFile) {
  const SpecFolder folder;
  const DataSet all = read_data_set(folder / "pairs.json", {});
  const DataSet some = read_data_set(folder / "pairs.json", 2);
  EXPECT_EQ(all.items.size(), 5u);
  EXPECT_EQ(some.items.size(), 2u);
  EXPECT_EQ(all.identity, some.identity);
  EXPECT_EQ(all.identity.size(), 16u);
}

TEST(DataSet, IgnoresFieldsItDoesNotKnowHoweverDeep) {
  std::string deep(10'000, '[');
  deep += std::string(10'000, ']');
  std::string text = item("\"q\"", "\"(A)\"", "\"(B)\"");
  text.insert(1, "\"extra\": {\"question\": 5, \"more\": " + deep + "}, ");
  EXPECT_EQ(refusal("[" + text + "]"), "");
}

TEST(DataSet, NamesMissingFields) {
  EXPECT_EQ(refusal(R"json([{"question": "q"}])json"),
            "set.json: [0]: expected the fields answer_matching_behavior, answer_not_matching_behavior, found only "
            "'question'");
  EXPECT_THAT(refusal(R"json([{"question": "q", "answer_matching_behaviour": "(A)",
                          "answer_not_matching_behavior": "(B)"
}])json"),
              HasSubstr("did you mean 'answer_matching_behaviour'?"));
  EXPECT_THAT(refusal(R"json([{"question": "q", "answer_not_matching_behavior": "(B)"}])json"),
              Not(HasSubstr("did you mean")));
  EXPECT_THAT(refusal("[{}]"), HasSubstr("found no field"));
}

TEST(DataSet, NamesWrongTypes) {
  EXPECT_EQ(refusal("[" + item("3", "\"(A)\"", "\"(B)\"") + "]"),
            "set.json: [0].question: expected text, found a number");
  EXPECT_THAT(refusal("[" + item("null", "[\"(A)\"]", "{}") + "]"),
              AllOf(HasSubstr("question: expected text, found null"), HasSubstr("found an array"),
                    HasSubstr("found an object")));
  EXPECT_EQ(refusal("[5]"), "set.json: [0]: expected an object, found a number");
  EXPECT_EQ(refusal("[[{}]]"), "set.json: [0]: expected an object, found an array");
}

TEST(DataSet, AsksForAnswerLettersThatDiffer) {
  for (const char* bad : {"\"A\"", "\"(a)\"", "\"(AB)\"", "\"\"", "\"(1)\"", "\"(A) yes\"", "\" \""})
    EXPECT_THAT(refusal("[" + item("\"q\"", bad, "\"(B)\"") + "]"), HasSubstr("[0].answer_matching_behavior: expected"))
        << bad;
  EXPECT_EQ(
      refusal("[" + item("\"q\"", "\"(A)\"", "\"(A)\"") + "]"),
      "set.json: [0].answer_not_matching_behavior: expected another letter than answer_matching_behavior's, found "
      "'(A)' in both");
}

TEST(DataSet, AsksForQuestionsWithText) {
  EXPECT_THAT(refusal("[" + item("\" \\n\"", "\"(A)\"", "\"(B)\"") + "]"), HasSubstr("[0].question: expected text"));
  EXPECT_THAT(refusal("[" + item("\"a\\u0000b\"", "\"(A)\"", "\"(B)\"") + "]"), HasSubstr("no NUL"));
}

TEST(DataSet, RefusesRepeatedFields) {
  EXPECT_THAT(refusal(R"json([{"question": "a", "question": "b", "answer_matching_behavior": "(A)",
                          "answer_not_matching_behavior": "(B)"}])json"),
              HasSubstr("expected each field once, found 'question' again"));
}

TEST(DataSet, RefusesWhatIsNoArrayOfItems) {
  EXPECT_EQ(refusal("[]"), "set.json: expected at least one item, found an empty array");
  EXPECT_EQ(refusal("{\"a\": []}"), "set.json: expected an array of items, found an object");
  EXPECT_EQ(refusal("\"text\""), "set.json: expected an array of items, found text");
}

TEST(DataSet, SaysWhereTheJsonBreaks) {
  EXPECT_THAT(refusal("[\n  {\"question\": oops}]"), HasSubstr("set.json: expected JSON, found an error at line 2, "));
  EXPECT_THAT(refusal(""), HasSubstr("expected JSON"));
  EXPECT_THAT(refusal("[{\"question\": \"\xff\"}]"), HasSubstr("expected JSON"));
  EXPECT_THAT(refusal(SpecFolder::items(2) + "x", 1), HasSubstr("expected JSON"));
}

TEST(DataSet, ListsAFewProblemsAndCountsTheRest) {
  std::string text = "[0";
  for (int i = 1; i < 100; ++i) text += ", 0";
  EXPECT_THAT(refusal(text + "]"), AllOf(HasSubstr("[4]: expected an object"), EndsWith("... and 95 more problems")));
}

TEST(DataSet, DoesNotJudgeItemsBeyondItsLimit) {
  EXPECT_EQ(refusal("[" + item("\"q\"", "\"(A)\"", "\"(B)\"") + ", 5]", 1), "");
}

TEST(DataSet, SurvivesEveryTruncation) {
  const std::string text = SpecFolder::items(2);
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_NE(refusal(text.substr(0, n)), "") << n;
}

}  // namespace
}  // namespace steergrid
