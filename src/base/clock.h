// Wall-clock time for records and logs, monotonic time for measuring.
#pragma once

#include <cstdint>
#include <string>

namespace steergrid {

/// Nanoseconds since the Unix epoch.
std::int64_t wall_ns();

/// Seconds on a clock that never goes back; only differences mean something.
double monotonic_seconds();

/// `ns` since the epoch as "2026-01-31T12:00:00Z".
std::string iso8601(std::int64_t ns);

}  // namespace steergrid
