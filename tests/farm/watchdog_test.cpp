#include "farm/watchdog.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "farm/signals.h"

namespace steergrid {
namespace {

TEST(Deadline, ThatIsKeptDoesNothing) {
  const double start = monotonic_seconds();
  { const Deadline deadline(30, "too late"); }
  EXPECT_LT(monotonic_seconds() - start, 5);
}

TEST(DeadlineDeathTest, ThatIsMissedEndsTheProcessWithRunAgainAndSaysWhy) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        start_log("rank 1", "", false);
        const Deadline deadline(0.05, "the team does not answer");
        std::this_thread::sleep_for(std::chrono::seconds(30));
      },
      testing::ExitedWithCode(75), "the team does not answer");
}

TEST(StartWatchDeathTest, ThatIsOverTooLateEndsTheProcessWithRunAgain) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        start_log("rank 1", "", false);
        const StartWatch start(0.05, false);
        std::this_thread::sleep_for(std::chrono::seconds(30));
      },
      testing::ExitedWithCode(75), "the other ranks do not come up");
}

/// A launcher that ends as soon as its only rank is starting.
[[noreturn]] void be_a_launcher(bool launched) {
  int ready[2] = {-1, -1};
  char byte = 0;
  if (::pipe(ready) != 0) ::_exit(1);
  if (::fork() != 0) ::_exit(::read(ready[0], &byte, 1) == 1 ? 0 : 1);
  const StartWatch start(600, launched);
  if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
  std::this_thread::sleep_for(std::chrono::seconds(launched ? 60 : 2));
  ::_exit(0);
}

/// The exit code of a rank whose launcher ends; -1: none.
int code_of_an_orphan(bool launched) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // orphans come to this process
  const pid_t launcher = ::fork();
  if (launcher == 0) be_a_launcher(launched);
  int status = 0;
  pid_t ended = ::wait(&status);
  if (ended == launcher) ended = ::wait(&status);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  return ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(StartWatch, EndsWithItsLauncherButNotWithAnotherParent) {
  EXPECT_EQ(code_of_an_orphan(true), 75);
  EXPECT_EQ(code_of_an_orphan(false), 0);
}

TEST(SignalsDeathTest, AStopSignalIsNotedAndSurvived) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const int signal : {SIGUSR1, SIGTERM})
    EXPECT_EXIT(
        {
          catch_stop_signals();
          const bool before = stop_signal_arrived();
          std::raise(signal);
          std::exit(!before && stop_signal_arrived() ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace steergrid
