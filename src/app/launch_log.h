// What a launch says of itself in the log, one event a line: who sits where when it starts, and a summary when it ends.
// Called by `run_sweep`.
#pragma once

#include <optional>
#include <string>

#include "comm/node_seat.h"
#include "comm/team.h"

namespace steergrid {

/// Rank 0 logs a line a rank: its host, its number among the workers there, the device that makes of what it sees.
/// Collective over `everybody`, all ranks of the launch.
void log_seats(const MpiSession& session, Team& everybody, const std::optional<NodeSeat>& mine);

/// Which of the devices in `visible` (CUDA_VISIBLE_DEVICES: "0,1") a worker takes; "" if it lists none.
std::string device_of(const NodeSeat& seat, const std::string& visible);

/// Units, retries, restarts, worker-hours and cells a second of the whole sweep, from its result file. Rank 0 only.
void log_summary(const std::string& output);

}  // namespace steergrid
