// Wall-clock time for records and logs, monotonic time for measuring.
#pragma once

#include <cstdint>
#include <string>

namespace steergrid {

/// Nanoseconds since the Unix epoch.
std::int64_t wall_ns();

/// Seconds from `from` to `to`, both in nanoseconds since the epoch; any two are allowed (records are untrusted), and a
/// difference of int64 could overflow.
inline double seconds_between(std::int64_t from, std::int64_t to) {
  return (static_cast<double>(to) - static_cast<double>(from)) * 1e-9;
}

/// Seconds on a clock that never goes back; only differences mean something.
double monotonic_seconds();

/// `ns` since the epoch as "2026-01-31T12:00:00Z".
std::string iso8601(std::int64_t ns);

}  // namespace steergrid
