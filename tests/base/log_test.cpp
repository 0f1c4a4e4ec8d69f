#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <unistd.h>  // getpid

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "base/error.h"

namespace steergrid {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Log, AppendsLinesThatNameTheProcess) {
  const std::string path = testing::TempDir() + "steergrid_log_test_" + std::to_string(::getpid());
  std::ofstream(path) << "before\n";
  start_log("rank 3", path, false);
  spdlog::info("hello");
  spdlog::debug("details");
  name_log("rank 3, team 1");
  spdlog::info("together");
  spdlog::info("{}", "a\x1b[31m\nb");
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_THAT(text, testing::StartsWith("before\n"));
  EXPECT_THAT(text, HasSubstr("[rank 3] hello\n"));
  EXPECT_THAT(text, HasSubstr("[rank 3, team 1] together\n"));
  EXPECT_THAT(text, HasSubstr("] a\\x1b[31m\\nb\n")) << "what a file holds gives no orders, and passes for no line";
  EXPECT_THAT(text, Not(HasSubstr("details")));
  std::remove(path.c_str());
}

TEST(Sentences, KeepTheirLinesAndGiveATerminalNoOrders) {
  testing::internal::CaptureStderr();
  tell_user("a.yaml:1: found \x1b[31m\nb.yaml:2: found \xff\r");
  tell_user("");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "steergrid: a.yaml:1: found \\x1b[31m\nb.yaml:2: found \\xff\\x0d\nsteergrid: \n");
}

TEST(Log, SaysWhichFileCannotBeOpened) {
  try {
    start_log("x", testing::TempDir(), false);  // a folder
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr(testing::TempDir()));
  }
}

}  // namespace
}  // namespace steergrid
