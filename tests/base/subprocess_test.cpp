#include "base/subprocess.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace steergrid {
namespace {

TEST(Subprocess, GivesTheExitCodeAndBothStreamsWithoutTheirLastLinesEnd) {
  const Outcome outcome = run_subprocess({"sh", "-c", "echo out; echo 'an error' >&2; exit 3"}, 60);
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.output, "out");
  EXPECT_EQ(outcome.errors, "an error");
}

TEST(Subprocess, ExpandsNothing) { EXPECT_EQ(run_subprocess({"echo", "$HOME *"}, 60).output, "$HOME *"); }

TEST(Subprocess, KeepsTheBeginningOfWhatIsLong) {
  EXPECT_EQ(run_subprocess({"sh", "-c", "yes | head -c 100000"}, 60).output.size(), 4095u);  // without the line's end
}

TEST(Subprocess, SaysWhyOneCannotBeStarted) {
  const Outcome outcome = run_subprocess({"/no/such/program"}, 60);
  EXPECT_EQ(outcome.code, kNotStarted);
  EXPECT_EQ(outcome.errors, "No such file or directory");
}

TEST(Subprocess, TellsAProgramsOwn127FromNone) { EXPECT_EQ(run_subprocess({"sh", "-c", "exit 127"}, 60).code, 127); }

TEST(Subprocess, TellsASignalFromACode) { EXPECT_EQ(run_subprocess({"sh", "-c", "kill -SEGV $$"}, 60).code, 128 + 11); }

TEST(Subprocess, KillsOneThatHangs) {
  const double start = monotonic_seconds();
  const Outcome outcome = run_subprocess({"sleep", "600"}, 0.2);
  EXPECT_EQ(outcome.code, kTooLate);
  EXPECT_EQ(outcome.errors, "no answer within 0.2 s");
  EXPECT_LT(monotonic_seconds() - start, 300);
}

}  // namespace
}  // namespace steergrid
