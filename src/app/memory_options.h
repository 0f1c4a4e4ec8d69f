// How a rank's memory is counted, on a GPU or in a CPU worker: what the plan's arithmetic needs to know of the engine.
#pragma once

#include <cstdint>

#include "plan/cost.h"

namespace steergrid {

/// Rows in one pass unless told otherwise: enough for large products; more costs memory and gains nothing.
inline constexpr std::int64_t kRowsInFlight = 16384;

MemoryOptions memory_options(bool on_gpu, std::int64_t rows);

}  // namespace steergrid
