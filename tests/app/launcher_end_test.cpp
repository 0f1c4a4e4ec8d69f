#include "app/launcher_end.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace steergrid {
namespace {

using std::chrono::milliseconds, std::chrono::steady_clock;

/// Starts a shell that does `script`; the shell itself becomes what it execs.
pid_t launcher(const char* script) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execl("/bin/sh", "sh", "-c", script, nullptr);
    ::_exit(127);
  }
  return pid;
}

TEST(LauncherEnd, ItsOwnExitCodeIsReturned) {
  const int status = wait_for_launcher(launcher("sleep 0.1; exit 75"));
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 75);
}

TEST(LauncherEnd, OneThatOutlivesItsRanksIsKilled) {
  const auto begin = steady_clock::now();
  const int status = wait_for_launcher(launcher("true & false & exec sleep 600"), milliseconds(300));
  EXPECT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_GE(steady_clock::now() - begin, milliseconds(300));
}

TEST(LauncherEnd, OneWithALivingRankOrNoneIsLeftAlone) {
  for (const char* script : {"sleep 3 & true & exec sleep 0.7", "exec sleep 0.7"}) {
    const int status = wait_for_launcher(launcher(script), milliseconds(100));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << script << ": " << status;
  }
}

}  // namespace
}  // namespace steergrid
