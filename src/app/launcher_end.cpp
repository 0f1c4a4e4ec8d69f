#include "app/launcher_end.h"

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/log.h"

namespace steergrid {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPoll{50};

std::vector<pid_t> children_of(pid_t process) {
  std::vector<pid_t> found;
  std::error_code error;
  for (fs::directory_iterator thread(fmt::format("/proc/{}/task", process), error), end; !error && thread != end;
       thread.increment(error)) {
    std::ifstream children(thread->path() / "children");
    for (pid_t child = 0; children >> child;) found.push_back(child);
  }
  return found;
}

/// Ended, and its parent has not asked how.
bool is_zombie(pid_t process) {
  std::string stat;
  std::getline(std::ifstream(fmt::format("/proc/{}/stat", process)), stat);
  const auto name_end = stat.rfind(')');  // pid (name) state ...
  return name_end != std::string::npos && stat.compare(name_end, 3, ") Z") == 0;
}

bool outlives_its_ranks(pid_t launcher) {
  const std::vector<pid_t> children = children_of(launcher);
  return !children.empty() && std::ranges::all_of(children, is_zombie);
}

}  // namespace

int wait_for_launcher(pid_t launcher, std::chrono::milliseconds patience) {
  int status = 0;
  for (auto busy = Clock::now();; std::this_thread::sleep_for(kPoll)) {
    const pid_t ended = ::waitpid(launcher, &status, WNOHANG);
    if (ended == launcher || (ended < 0 && errno != EINTR)) return status;
    if (!outlives_its_ranks(launcher)) busy = Clock::now();
    if (Clock::now() - busy <= patience) continue;
    tell_user("the launcher does not end though all that it started has: killed");
    ::kill(launcher, SIGKILL);
    busy = Clock::now();
  }
}

}  // namespace steergrid
