// One run an output: the second is told who the first is.
#include "store/lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "tests/store/scratch.h"

namespace steergrid::store {
namespace {

using testing::HasSubstr;
using Kind = OutputLock::Kind;

/// Another process that holds the lock until it is killed.
class Holder {
 public:
  Holder(const std::string& output, Kind kind) {
    int ready[2] = {};
    if (::pipe(ready) != 0) failed("no pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      const OutputLock lock(output, kind);
      if (::write(ready[1], "x", 1) == 1) ::pause();
      ::_exit(0);
    }
    char byte = 0;
    if (::read(ready[0], &byte, 1) != 1) failed("the holder did not start");
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Holder() { kill(); }
  void kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

class Lock : public testing::TestWithParam<Kind> {
 protected:
  Scratch scratch_;
  std::string output_ = scratch_ / "sub/r.h5";
};

TEST_P(Lock, RefusesASecondRunAndNamesHostProcessAndStart) {
  const Holder holder(output_, GetParam());
  const std::string error = error_of([&] { const OutputLock second(output_, GetParam()); });
  EXPECT_THAT(error, HasSubstr("another run writes to it"));
  EXPECT_THAT(error, HasSubstr("process " + std::to_string(holder.pid()) + " on "));
  EXPECT_THAT(error, testing::ContainsRegex("since 20[0-9]+-[0-9]+-[0-9]+T"));
  ASSERT_TRUE(lock_owner(output_));
  EXPECT_EQ(lock_owner(output_)->pid, holder.pid());
}

TEST_P(Lock, DiesWithItsProcess) {
  Holder holder(output_, GetParam());
  holder.kill();
  EXPECT_FALSE(lock_owner(output_));
  EXPECT_EQ(error_of([&] { const OutputLock second(output_, GetParam()); }), "");
}

TEST_P(Lock, LeavesNoFileBehind) {
  { const OutputLock lock(output_, GetParam()); }
  EXPECT_TRUE(std::filesystem::is_empty(scratch_ / "sub"));
  EXPECT_FALSE(lock_owner(output_));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Lock, testing::Values(Kind::Flock, Kind::OwnerFile),
                         [](const auto& kind) { return kind.param == Kind::Flock ? "Flock" : "OwnerFile"; });

TEST(OwnerFile, OfAnotherHostIsTakenOverOnceItsHeartStops) {
  const Scratch scratch;
  std::ofstream(scratch / "r.h5.owner") << "host elsewhere\npid 4\nstarted 2025-01-01T00:00:00Z\n";
  EXPECT_THAT(error_of([&] { const OutputLock lock(scratch / "r.h5", Kind::OwnerFile); }),
              HasSubstr("process 4 on elsewhere, since 2025-01-01T00:00:00Z; if that is not so, remove"));
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::minutes(11);
  std::filesystem::last_write_time(scratch / "r.h5.owner", old);
  EXPECT_EQ(error_of([&] { const OutputLock lock(scratch / "r.h5", Kind::OwnerFile); }), "");
}

TEST(OwnerFile, KeepsBeatingWhileItsRunIsBusy) {
  const Scratch scratch;
  const OutputLock lock(scratch / "r.h5", Kind::OwnerFile, std::chrono::milliseconds(5));
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::minutes(11);
  std::filesystem::last_write_time(scratch / "r.h5.owner", old);
  bool beaten = false;
  for (int look = 0; look < 1000 && !beaten; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    beaten = std::filesystem::last_write_time(scratch / "r.h5.owner") > old + std::chrono::minutes(10);
  }
  EXPECT_TRUE(beaten);
}

/// An owner file as kill -9 leaves it on this host.
void abandon(const std::string& file) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::ofstream(file) << "host " << host.data() << "\npid 99999999\nstarted 2025-01-01T00:00:00Z\n";
}

TEST(OwnerFile, OfADeadRunIsTakenOverByOneOfManyAtATime) {
  const Scratch scratch;
  constexpr int kRounds = 100, kRuns = 8;
  for (int round = 0; round < kRounds; ++round) {
    abandon(scratch / "r.h5.owner");
    std::atomic<int> holders = 0;
    std::barrier together(kRuns);
    std::vector<std::jthread> runs;
    for (int run = 0; run < kRuns; ++run)
      runs.emplace_back([&] {
        std::optional<OutputLock> lock;
        together.arrive_and_wait();
        error_of([&] { lock.emplace(scratch / "r.h5", Kind::OwnerFile); });
        holders += lock.has_value();
        together.arrive_and_wait();  // nobody gives it back before all have tried
      });
    runs.clear();
    ASSERT_EQ(holders, 1) << "in round " << round;
    ASSERT_TRUE(std::filesystem::is_empty(scratch.folder())) << "in round " << round;
  }
}

TEST(OwnerFile, IsLeftAloneWhileAnotherRunTakesItOver) {
  const Scratch scratch;
  abandon(scratch / "r.h5.owner");
  std::filesystem::create_directory(scratch / "r.h5.owner.takeover");
  EXPECT_THAT(error_of([&] { const OutputLock lock(scratch / "r.h5", Kind::OwnerFile); }),
              testing::AllOf(HasSubstr("another run is taking over"), HasSubstr("remove "),
                             HasSubstr(scratch / "r.h5.owner.takeover")));
  EXPECT_TRUE(std::filesystem::exists(scratch / "r.h5.owner"));
}

TEST(OwnerFile, IsTakenOverThoughAnEarlierTakeoverWasKilled) {
  const Scratch scratch;
  const std::string guard = scratch / "r.h5.owner.takeover";
  abandon(scratch / "r.h5.owner");
  std::filesystem::create_directory(guard);
  std::filesystem::last_write_time(guard, std::filesystem::file_time_type::clock::now() - std::chrono::minutes(2));
  { const OutputLock lock(scratch / "r.h5", Kind::OwnerFile); }
  EXPECT_TRUE(std::filesystem::is_empty(scratch.folder()));
}

TEST(OwnerFile, ThatCannotBeWrittenIsNotLeftBehind) {
  const Scratch scratch;
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit nothing{0, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &nothing);
  const std::string error = error_of([&] { const OutputLock lock(scratch / "r.h5", Kind::OwnerFile); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_THAT(error, HasSubstr("r.h5.owner: cannot be written"));
  EXPECT_TRUE(std::filesystem::is_empty(scratch.folder()));
}

}  // namespace
}  // namespace steergrid::store
