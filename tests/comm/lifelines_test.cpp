#include "comm/lifelines.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <thread>

#include "comm/mpi_team.h"
#include "tests/comm/mpi_main.h"

namespace steergrid {
namespace {

/// What is logged in this process during its life.
class Logged {
 public:
  Logged() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~Logged() { spdlog::set_default_logger(before_); }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

/// This process can open `more` descriptors, and no socket beyond them.
class FewDescriptors {
 public:
  explicit FewDescriptors(unsigned more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(lowest);
    const rlimit few{static_cast<rlim_t>(lowest) + more, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST(Lifelines, RanksThatAreAllReachedAreNotWarnedOf) {
  MpiTeam everybody(session().world().duplicate());
  const Logged logged;
  {
    Lifelines lines(session(), everybody);
    lines.insist();
    const std::byte here{1};
    everybody.gather_host(std::span(&here, 1));  // nobody says goodbye before all insist
  }
  EXPECT_EQ(logged.text(), "");
}

TEST(Lifelines, RankZeroWarnsOnceOfRanksThatCannotConnect) {
  if (session().size() == 1) return;
  MpiTeam everybody(session().world().duplicate());
  const std::byte here{1};
  everybody.gather_host(std::span(&here, 1));  // MPI has opened what it needs
  const Logged logged;
  std::optional<FewDescriptors> few;
  if (session().rank() == 1) few.emplace(1);  // the bell's
  {
    Lifelines lines(session(), everybody);
    few.reset();
    lines.insist();
    everybody.gather_host(std::span(&here, 1));
  }
  const std::string expected = fmt::format("1 of {} other ranks cannot be reached", session().size() - 1);
  const std::string said = logged.text();
  EXPECT_EQ(said.find(expected) != std::string::npos, session().rank() == 0) << said;
  EXPECT_EQ(said.find("cannot be reached"), said.rfind("cannot be reached"));
}

TEST(Lifelines, ACutOrClosedLineIsALossWhileDeathsAreTolerated) {
  MpiTeam everybody(session().world().duplicate());
  const std::byte here{1};
  auto lines = std::make_unique<Lifelines>(session(), everybody);
  const bool leader = session().rank() == 0;
  leader ? lines->tolerate() : lines->insist();
  everybody.gather_host(std::span(&here, 1));
  if (!leader) lines.reset();  // says goodbye
  std::vector<int> lost;
  for (int look = 0; leader && look < 500 && static_cast<int>(lost.size()) < session().size() - 1; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    for (const int rank : lines->lost()) lost.push_back(rank);
  }
  if (leader) {
    EXPECT_EQ(static_cast<int>(lost.size()), session().size() - 1);
  }
  everybody.gather_host(std::span(&here, 1));
}

}  // namespace
}  // namespace steergrid
