#include "spec/problems.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "spec/text_file.h"

namespace steergrid {
namespace {

constexpr std::string_view kKeys[] = {"name", "path", "dtype", "tensor_parallel", "layers", "runs"};

TEST(Suggestion, IsTheNearestByEditDistance) {
  EXPECT_EQ(nearest("nmae", kKeys), "name");
  EXPECT_EQ(nearest("tensor-parallel", kKeys), "tensor_parallel");
  EXPECT_EQ(nearest("Layer", kKeys), "layers");
  EXPECT_EQ(nearest("tensor_parallel_degree", kKeys), "tensor_parallel");
}

TEST(Suggestion, IsNotMadeUp) {
  EXPECT_EQ(nearest("x", kKeys), "");
  EXPECT_EQ(nearest("temperature", kKeys), "");
  EXPECT_EQ(nearest(std::string(100'000, 'n'), kKeys), "");
}

TEST(Quotes, KeepCharactersWhole) {
  EXPECT_EQ(in_quotes("r\xc3\xa9"
                      "f"),
            "'r\xc3\xa9"
            "f'");
  EXPECT_EQ(in_quotes("\xff"), "'\\xff'");
  std::string many;
  for (int i = 0; i < 100; ++i) many += "\xe2\x82\xac";
  EXPECT_EQ(first_not_utf8(in_quotes(many)), std::string::npos);
}

/// The one error of bad input that `problems` are.
std::string told(const SpecProblems& problems) {
  try {
    problems.throw_if_any();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::BadInput);
    return e.what();
  }
  return "no error";
}

TEST(Problems, AreOneErrorInTheOrderOfTheirPlaces) {
  SpecProblems problems;
  EXPECT_NO_THROW(problems.throw_if_any());
  problems.add({"f", 9, 1, "b"}, "second");
  problems.add({"f", 2, 5, "a"}, "first");
  problems.add({"f", 9, 1, "b"}, "second");
  EXPECT_EQ(told(problems), "f:2:5: a: first\nf:9:1: b: second");
}

TEST(Problems, OfAnErrorWithSeveralLinesAreOneEach) {
  SpecProblems problems;
  problems.add_lines({"f", 9, 1, "b"}, "file: first\nfile: second\n");
  EXPECT_EQ(told(problems), "f:9:1: b: file: first\nf:9:1: b: file: second");
}

}  // namespace
}  // namespace steergrid
