#include "app/launch_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>

#include "base/clock.h"
#include "store/status.h"

namespace steergrid {

void log_seats(std::span<const Place> places) {
  for (std::size_t rank = 0; rank < places.size(); ++rank)
    spdlog::info("seat of rank {} on {}", rank, seat_text(places[rank]));
}

void log_summary(const std::string& output) try {
  const store::Status s = store::read_status(output, wall_ns());
  const double hours = s.worker_seconds / 3600;
  spdlog::info(
      "summary: {} of {} units done, {} reused, {} failed, {} blocked, {} retries, {} restarts, {:.3f} {}-hours, "
      "{:.1f} cells/s",
      s.total.done, s.total.total, s.total.reused, s.total.failed, s.total.blocked, s.retries,
      std::max(0, s.launches - 1), hours, s.on_gpus ? "GPU" : "worker",
      s.seconds_at_work > 0 ? s.cells_computed / s.seconds_at_work : 0);
  if (s.total.not_finite > 0)
    spdlog::warn("{} of the units have values that are not finite: the report leaves those out", s.total.not_finite);
} catch (const std::exception& error) {
  spdlog::warn("no summary: {}", error.what());
}

}  // namespace steergrid
