#include "farm/run_unit.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "comm/mpi_session.h"

namespace steergrid {
namespace {

/// Gathered from every member, so of one size: a flag, a length, the text.
struct Status {
  std::uint8_t failed = 0;
  std::uint16_t length = 0;
  std::array<char, 500> text{};
};

/// The longest prefix of at most `limit` bytes that does not cut a UTF-8 character.
std::size_t prefix_length(const std::string& text, std::size_t limit) {
  if (text.size() <= limit) return text.size();
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0u) == 0x80u) --limit;
  return limit;
}

[[noreturn]] void leave(int unit, const char* what) {
  spdlog::error("unit {}: {}; this rank cannot go on with its team", unit, what);
  leave_at_once(ExitCode::RunAgain);
}

}  // namespace

Attempt attempt_unit(const WorkerCalls& calls, const Order& order, std::span<const std::byte> payload, Team& team) try {
  return {calls.run(order, payload, team), std::nullopt};
} catch (const Error& e) {
  if (e.code() != ExitCode::RunAgain) return {{}, e.what()};
  if (team.size() == 1) throw;
  leave(order.unit, e.what());
} catch (const std::exception& e) {
  if (team.size() == 1) return {{}, e.what()};
  leave(order.unit, e.what());
}

std::optional<std::string> attempt_together(const WorkerCalls& calls, std::span<const Task> tasks, Team& team,
                                            std::vector<Answer>& answers) {
  WorkerCalls once;  // attempt_unit sorts what is thrown
  once.run = [&](const Order&, std::span<const std::byte>, Team&) {
    answers = calls.run_together(tasks, team);
    return Answer{};
  };
  return attempt_unit(once, tasks.front().order, {}, team).failure;
}

std::optional<std::string> agree(const std::optional<std::string>& mine, Team& orders) {
  if (orders.size() == 1) return mine;
  Status status;
  if (mine) {
    status.failed = 1;
    status.length = static_cast<std::uint16_t>(prefix_length(*mine, status.text.size()));
    std::copy_n(mine->data(), status.length, status.text.data());
  }
  const auto all = orders.gather_host(std::as_bytes(std::span(&status, 1)));
  for (int m = 0; m < orders.size(); ++m) {
    std::memcpy(&status, all.data() + static_cast<std::size_t>(m) * sizeof status, sizeof status);
    if (status.failed) return std::string(status.text.data(), status.length);
  }
  return std::nullopt;
}

}  // namespace steergrid
