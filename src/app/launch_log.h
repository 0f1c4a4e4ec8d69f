// What a launch says of itself in the log, one event a line: who sits where when it starts, and a summary when it ends.
// Called by `run_sweep` on rank 0.
#pragma once

#include <span>
#include <string>

#include "app/places.h"

namespace steergrid {

/// A line a rank: its host, its number among the workers there, and what it computes on.
void log_seats(std::span<const Place> places);

/// Units, retries, restarts, worker-hours and cells a second of the whole sweep, from its result file. Throws nothing:
/// what was done is done.
void log_summary(const std::string& output);

}  // namespace steergrid
