#include "app/launch_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "store/status.h"

namespace steergrid {
namespace {

/// A rank's place, as it travels to rank 0.
struct Place {
  int worker = -1, workers = 0;  // -1: the coordinator
  char host[64] = {};
  char visible[192] = {};
};

void put(const char* text, char* field, std::size_t size) {
  if (text != nullptr) std::string_view(text).copy(field, size - 1);
}

std::string text_of(const Place& place) {
  if (place.worker < 0) return fmt::format("{}: coordinator", place.host);
  std::string text = fmt::format("{}: worker {} of {}", place.host, place.worker, place.workers);
  const std::string device = device_of({place.worker, place.workers}, place.visible);
  if (!device.empty()) text += fmt::format(", device {} of {}", device, place.visible);
  return text;
}

}  // namespace

void log_seats(const MpiSession& session, Team& everybody, const std::optional<NodeSeat>& mine) {
  Place place;
  if (mine) place.worker = mine->worker, place.workers = mine->workers;
  put(session.host().c_str(), place.host, sizeof place.host);
  put(std::getenv("CUDA_VISIBLE_DEVICES"), place.visible, sizeof place.visible);
  const std::vector<std::byte> all = everybody.gather_host(std::as_bytes(std::span(&place, 1)));
  if (session.rank() != 0) return;
  for (int rank = 0; rank < session.size(); ++rank) {
    std::memcpy(&place, all.data() + static_cast<std::size_t>(rank) * sizeof place, sizeof place);
    spdlog::info("seat of rank {} on {}", rank, text_of(place));
  }
}

std::string device_of(const NodeSeat& seat, const std::string& visible) {
  if (visible.empty()) return "";
  const auto count = std::count(visible.begin(), visible.end(), ',') + 1;
  std::size_t start = 0;
  for (auto skip = seat.worker % count; skip > 0; --skip) start = visible.find(',', start) + 1;
  return visible.substr(start, visible.find(',', start) - start);
}

void log_summary(const std::string& output) {
  const store::Status s = store::read_status(output, wall_ns());
  const double hours = s.worker_seconds / 3600;
  spdlog::info(
      "summary: {} of {} units done, {} failed, {} blocked, {} retries, {} restarts, {:.3f} {}-hours, {:.1f} cells/s",
      s.total.done, s.total.total, s.total.failed, s.total.blocked, s.retries, std::max(0, s.launches - 1), hours,
      s.on_gpus ? "GPU" : "worker", s.worker_seconds > 0 ? s.cells_done / s.seconds_at_work : 0);
}

}  // namespace steergrid
