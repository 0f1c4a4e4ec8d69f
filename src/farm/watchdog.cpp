#include "farm/watchdog.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "comm/mpi_session.h"

namespace steergrid {
namespace {

constexpr double kLook = 0.5;  // seconds between two looks at the parent

/// False as soon as somebody asks for a stop, true after `seconds`.
bool sleeps_through(double seconds, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, stop, std::chrono::duration<double>(seconds), [] { return false; });
  return !stop.stop_requested();
}

[[noreturn]] void leave(const std::string& sentence) {
  spdlog::error("{}", sentence);
  leave_at_once(ExitCode::RunAgain);
}

}  // namespace

Deadline::Deadline(double seconds, std::string sentence)
    : watcher_([seconds, sentence = std::move(sentence)](const std::stop_token& kept) {
        if (sleeps_through(seconds, kept)) leave(sentence);
      }) {}

StartWatch::StartWatch(double seconds, bool launched)
    : watcher_([end = monotonic_seconds() + seconds, launched, parent = ::getppid()](const std::stop_token& over) {
        for (double left = 0; (left = end - monotonic_seconds()) > 0;) {
          if (!sleeps_through(launched ? std::min(left, kLook) : left, over)) return;
          if (launched && ::getppid() != parent)
            leave("the launcher is gone; this rank leaves (the same command goes on)");
        }
        leave("the other ranks do not come up; this rank leaves (the same command goes on)");
      }) {}

}  // namespace steergrid
