#include "base/error.h"

#include <gtest/gtest.h>

namespace steergrid {
namespace {

TEST(Error, CarriesASentenceAndAnExitCode) {
  try {
    bad_input("expected {}, found {}", 1, "two");
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "expected 1, found two");
    EXPECT_EQ(e.code(), ExitCode::BadInput);
  }
  try {
    failed("{}", "no");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::Failed);
  }
}

TEST(ExitCodes, AreThoseOfTheReadme) {
  EXPECT_EQ(static_cast<int>(ExitCode::Ok), 0);
  EXPECT_EQ(static_cast<int>(ExitCode::Failed), 1);
  EXPECT_EQ(static_cast<int>(ExitCode::BadInput), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::RunAgain), 75);
}

}  // namespace
}  // namespace steergrid
