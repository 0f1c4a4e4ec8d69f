#include "farm/watchdog.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "comm/mpi_session.h"

namespace steergrid {

Deadline::Deadline(double seconds, std::string sentence)
    : watcher_([seconds, sentence = std::move(sentence)](const std::stop_token& kept) {
        std::mutex mutex;
        std::condition_variable_any stopped;
        std::unique_lock lock(mutex);
        stopped.wait_for(lock, kept, std::chrono::duration<double>(seconds), [] { return false; });
        if (kept.stop_requested()) return;
        spdlog::error("{}", sentence);
        leave_at_once(ExitCode::RunAgain);
      }) {}

}  // namespace steergrid
