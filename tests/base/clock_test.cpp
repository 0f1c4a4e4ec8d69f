#include "base/clock.h"

#include <gtest/gtest.h>

#include <limits>

namespace steergrid {
namespace {

TEST(Clock, WritesTimesAsIso8601InUtc) {
  EXPECT_EQ(iso8601(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(iso8601(1'769'860'800'999'999'999), "2026-01-31T12:00:00Z");
}

TEST(Clock, TellsTheSecondsBetweenAnyTwoTimes) {
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min(), kLast = -(kFirst + 1);
  EXPECT_DOUBLE_EQ(seconds_between(1'000'000'000, 2'500'000'000), 1.5);
  EXPECT_DOUBLE_EQ(seconds_between(kFirst, kLast), 0x1p64 * 1e-9);
  EXPECT_DOUBLE_EQ(seconds_between(kLast, kFirst), -0x1p64 * 1e-9);
}

TEST(Clock, GoesForward) {
  const double before = monotonic_seconds();
  EXPECT_GE(monotonic_seconds(), before);
  EXPECT_GT(wall_ns(), 1'700'000'000'000'000'000);
}

}  // namespace
}  // namespace steergrid
