#include "base/subprocess.h"

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/error.h"

namespace steergrid {
namespace {

/// What a program writes, in memory: nobody need read while it runs.
class Capture {
 public:
  Capture() : file_(::memfd_create("output", MFD_CLOEXEC)) {
    if (file_ < 0) failed("memfd_create: {}", std::strerror(errno));
  }
  ~Capture() { ::close(file_); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  int descriptor() const { return file_; }
  std::string text() const {
    std::string text(4096, '\0');
    const auto got = ::pread(file_, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, got)));
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
  }

 private:
  int file_;
};

/// Its wait status; nullopt: it ran for too long and was killed.
std::optional<int> wait_for(pid_t child, double seconds) {
  const double end = monotonic_seconds() + seconds;
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) failed("waitpid: {}", std::strerror(errno));
    if (monotonic_seconds() > end) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ::kill(child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return std::nullopt;
}

}  // namespace

Outcome run_subprocess(std::vector<std::string> words, double seconds) {
  const Capture output, errors;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t streams;
  ::posix_spawn_file_actions_init(&streams);
  ::posix_spawn_file_actions_adddup2(&streams, output.descriptor(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&streams, errors.descriptor(), STDERR_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, arguments[0], &streams, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&streams);
  if (error != 0) return {kNotStarted, "", std::strerror(error)};
  const std::optional<int> status = wait_for(child, seconds);
  if (!status) return {kTooLate, output.text(), fmt::format("no answer within {:g} s", seconds)};
  return {WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status), output.text(), errors.text()};
}

}  // namespace steergrid
