// kill -9 at random moments: whatever was acknowledged is there, and the same command goes on.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "store/status.h"
#include "tests/store/scratch.h"

namespace steergrid::store {
namespace {

constexpr int kItems = 150;  // units of each kind, model and behavior: 8 * 150 + 4 units in all
constexpr int kUnits = 8 * kItems + 4;

/// store_writer under mpirun, its lines in a file.
class Writer {
 public:
  Writer(const char* mode, int ranks, const std::string& file, const std::string& log) : log_(log) {
    const std::string n = std::to_string(ranks), items = std::to_string(kItems);
    const std::vector<const char*> words{MPIEXEC,      "-n", n.c_str(),    "--oversubscribe", "--bind-to", "none",
                                         STORE_WRITER, mode, file.c_str(), items.c_str(),     nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_addopen(&actions, 2, (log + ".err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (::posix_spawn(&pid_, MPIEXEC, &actions, nullptr, const_cast<char* const*>(words.data()), environ) != 0)
      failed("cannot start {}", MPIEXEC);
    posix_spawn_file_actions_destroy(&actions);
  }
  int wait() const {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return status;
  }
  bool running() const {
    siginfo_t info = {};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
  }
  /// Numbers after `what` in the lines so far.
  std::vector<int> said(const std::string& what) const {
    std::ifstream in(log_);
    std::vector<int> numbers;
    for (std::string line; std::getline(in, line);) {
      if (in.eof()) break;  // without its line break: not said to the end
      if (line.starts_with(what + " ")) numbers.push_back(std::atoi(line.c_str() + what.size()));
    }
    return numbers;
  }

 private:
  pid_t pid_ = -1;
  std::string log_;
};

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Kill, AtAnyMomentLosesNoAcknowledgedUnitAndTheSameCommandGoesOn) {
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  const char* wish = std::getenv("STEERGRID_KILL_TRIALS");
  const int trials = wish != nullptr ? std::atoi(wish) : 10;
  const Scratch scratch;
  const std::string file = scratch / "r.h5";
  std::mt19937 random(static_cast<unsigned>(wall_ns()));
  std::set<int> acknowledged;
  int killed = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const Writer writer("run", 3, file, scratch / "run.log");
    while (writer.said("pid").size() < 3) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    // At the start, or after some units of this launch; all trials together leave units to do on the fastest disk.
    const std::size_t enough = random() % 3 == 0 ? 0 : random() % 80;
    while (writer.running() && writer.said("done").size() < enough)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
    const std::vector<int> pids = writer.said("pid");
    ::kill(pids[random() % pids.size()], SIGKILL);  // one rank; the launcher ends the rest
    killed += writer.wait() != 0;
    for (const int unit : writer.said("done")) acknowledged.insert(unit);

    if (!std::filesystem::exists(file)) continue;  // killed while it was being made
    EXPECT_GE(read_status(file, wall_ns()).total.done, static_cast<int>(acknowledged.size())) << "trial " << trial;
    const Writer check("verify", 1, file, scratch / "verify.log");
    ASSERT_EQ(check.wait(), 0) << text_of(scratch / "verify.log.err");
    const std::vector<int> intact = check.said("done");
    EXPECT_TRUE(std::includes(intact.begin(), intact.end(), acknowledged.begin(), acknowledged.end()));
  }
  EXPECT_GT(killed, 0);
  const Writer last("run", 3, file, scratch / "run.log");
  ASSERT_EQ(last.wait(), 0) << text_of(scratch / "run.log.err");
  EXPECT_EQ(read_status(file, wall_ns()).total.done, kUnits);
  RecordProperty("acknowledged_before_kills", static_cast<int>(acknowledged.size()));
}

}  // namespace
}  // namespace steergrid::store
