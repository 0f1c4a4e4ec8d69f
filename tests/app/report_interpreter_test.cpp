#include "app/report_interpreter.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace steergrid {
namespace {

TEST(ReportInterpreter, AnEmptyVariableIsNone) {
  ::unsetenv("STEERGRID_PYTHON");
  const std::string usual = report_interpreter();
  EXPECT_NE(usual, "");
  ::setenv("STEERGRID_PYTHON", "", 1);
  EXPECT_EQ(report_interpreter(), usual);
  ::setenv("STEERGRID_PYTHON", "/my/python", 1);
  EXPECT_EQ(report_interpreter(), "/my/python");
  ::unsetenv("STEERGRID_PYTHON");
}

TEST(ReportInterpreter, OneThatCannotBeStartedOrFailsMakesNoReports) {
  EXPECT_FALSE(makes_reports("/no/python"));
  EXPECT_FALSE(makes_reports("false"));
  EXPECT_TRUE(makes_reports("true"));  // found in PATH, as report finds it
}

}  // namespace
}  // namespace steergrid
