#include "app/report_interpreter.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

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
  EXPECT_EQ(keeps_from_reports("false"), "ended with 1");
  EXPECT_EQ(keeps_from_reports("true"), "");  // found in PATH, as report finds it
}

/// What is said of a Python that says `words` (lines of a shell script's here-document) and ends with `code`.
std::string obstacle(const std::string& words, int code) {
  const std::string path = testing::TempDir() + "python";
  std::ofstream(path) << "#!/bin/sh\ncat >&2 <<'END'\n" << words << "\nEND\nexit " << code << "\n";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return keeps_from_reports(path);
}

TEST(ReportInterpreter, OneThatLacksThePackageIsToldFromOneThatDoesNotWork) {
  EXPECT_EQ(obstacle("ModuleNotFoundError: No module named 'steergrid_analysis'", 1), "lacks steergrid_analysis");
  EXPECT_EQ(obstacle("Traceback:\nImportError: libhdf5.so.200: cannot open", 1),
            "ImportError: libhdf5.so.200: cannot open");
  EXPECT_EQ(obstacle("python: libpython3.so: no such file", 127), "python: libpython3.so: no such file");
}

}  // namespace
}  // namespace steergrid
