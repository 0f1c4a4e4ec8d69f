#include "farm/watchdog.h"

#include <gtest/gtest.h>

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
