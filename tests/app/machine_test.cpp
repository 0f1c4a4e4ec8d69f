#include "app/machine.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "plan/fit.h"

namespace steergrid {
namespace {

/// A rank on `host` that may use cores first .. first + count - 1.
Cores cores(std::uint64_t host, int first, int count) {
  Cores found{host, {}};
  for (int core = first; core < first + count; ++core) CPU_SET(static_cast<std::size_t>(core), &found.cores);
  return found;
}

TEST(Threads, ARankAloneHasAllItsCores) { EXPECT_EQ(threads_for(std::vector{cores(1, 0, 12)}, 0), 12); }

TEST(Threads, WorkersOfANodeDivideItsCoresAndTheCoordinatorNeedsNone) {
  const std::vector<Cores> all(4, cores(1, 0, 12));
  for (std::size_t rank = 0; rank < all.size(); ++rank) EXPECT_EQ(threads_for(all, rank), 4) << rank;
}

TEST(Threads, WhatALauncherDividedIsNotDividedAgain) {
  const std::vector<Cores> bound{cores(1, 0, 4), cores(1, 4, 4), cores(1, 8, 4)};
  for (std::size_t rank = 0; rank < bound.size(); ++rank) EXPECT_EQ(threads_for(bound, rank), 4) << rank;
}

TEST(Threads, NodesAreDividedEachForItself) {
  const std::vector<Cores> all{cores(1, 0, 8), cores(1, 0, 8), cores(2, 0, 8), cores(2, 0, 8)};
  EXPECT_EQ(threads_for(all, 1), 8);
  EXPECT_EQ(threads_for(all, 2), 4);
}

TEST(Threads, MoreWorkersThanCoresHaveOneEach) {
  const std::vector<Cores> all(9, cores(1, 0, 2));
  EXPECT_EQ(threads_for(all, 5), 1);
}

/// `cores` of an mpirun that may use `launcher_cores`.
Cores given(Cores cores, int launcher_cores) {
  cores.launcher_cores = launcher_cores;
  return cores;
}

TEST(IdleCores, AreThoseThatMpirunHasAndBindsNobodyTo) {
  EXPECT_EQ(left_idle(std::vector{given(cores(1, 0, 1), 64), given(cores(1, 1, 1), 64)}), std::pair(1, 64));
  EXPECT_EQ(left_idle(std::vector(3, given(cores(1, 0, 64), 64))), std::nullopt);
  EXPECT_EQ(left_idle(std::vector{given(cores(1, 0, 32), 64), given(cores(1, 0, 32), 64), given(cores(1, 32, 32), 64)}),
            std::nullopt);
  EXPECT_EQ(left_idle(std::vector{given(cores(1, 0, 64), 64), given(cores(2, 0, 8), 16)}), std::pair(8, 16));
}

TEST(IdleCores, AreNotTheCoordinatorsNorThoseOfAnotherLauncher) {
  EXPECT_EQ(left_idle(std::vector{given(cores(1, 0, 1), 3), given(cores(1, 1, 1), 3), given(cores(1, 2, 1), 3)}),
            std::nullopt);
  EXPECT_EQ(left_idle(std::vector(2, cores(1, 0, 1))), std::nullopt);
  EXPECT_EQ(left_idle(std::vector{given(cores(1, 0, 4), 8), given(cores(2, 0, 8), 8)}), std::nullopt);
}

TEST(MemoryOfAWorker, IsWhatAPlanMayFillOfItsGpuOrItsPartOfTheNode) {
  Device device;
  device.cuda = true;
  device.memory = 80'000'000'000;
  EXPECT_EQ(memory_of_a_worker(device, NodeSeat{0, 8}), usable(device.memory));
  device.cuda = false;
  const std::int64_t one = memory_of_a_worker(device, NodeSeat{0, 1}),
                     quarter = memory_of_a_worker(device, NodeSeat{0, 4});
  if (one == std::numeric_limits<std::int64_t>::max()) return;  // this system does not tell
  EXPECT_NEAR(static_cast<double>(quarter), static_cast<double>(one) / 4, 0.1 * static_cast<double>(one));
}

}  // namespace
}  // namespace steergrid
