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
  EXPECT_EQ(keeps_from_reports("/no/python"), "No such file or directory");
  EXPECT_EQ(keeps_from_reports("false"), "lacks steergrid_analysis");
  EXPECT_EQ(keeps_from_reports("true"), "");  // found in PATH, as report finds it
}

}  // namespace
}  // namespace steergrid
