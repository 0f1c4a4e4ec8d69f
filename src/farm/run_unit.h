// Running one unit on one member of a team, and agreeing with the others on how it went (see worker.h).
#pragma once

#include <optional>
#include <string>

#include "farm/worker.h"

namespace steergrid {

/// A unit's answer, or the sentence why there is none.
struct Attempt {
  Answer answer;
  std::optional<std::string> failure;
};

/// Calls `run` and sorts what it throws: a failed unit, or a process that must leave (then it does not return; in a
/// team of one a RunAgain error is thrown on).
Attempt attempt_unit(const WorkerCalls& calls, const Order& order, std::span<const std::byte> payload, Team& team);

/// The same for several units in one go: their answers go to `answers`, or why there are none is returned.
std::optional<std::string> attempt_together(const WorkerCalls& calls, std::span<const Task> tasks, Team& team,
                                            std::vector<Answer>& answers);

/// The failure of the first member that had one, cut to 500 bytes; nullopt if none had. Collective over `orders`.
std::optional<std::string> agree(const std::optional<std::string>& mine, Team& orders);

}  // namespace steergrid
