#include "comm/topology.h"

#include <gtest/gtest.h>

#include "tests/comm/mpi_main.h"

namespace steergrid {
namespace {

std::vector<int> degrees_that_fit() {
  std::vector<int> degrees;
  for (const int d : {1, 2, 3})
    if (d == 1 || d < session().size()) degrees.push_back(d);
  return degrees;
}

TEST(Topology, GivesEverySeatedRankATeamOfTheRightSizeAndPlace) {
  const Topology topology(session(), degrees_that_fit());
  for (const int degree : degrees_that_fit()) {
    const auto seat = topology.seat(degree);
    if (!seat) continue;
    for (Team* team : {&topology.team(degree), &topology.orders(degree)}) {
      EXPECT_EQ(team->size(), degree);
      EXPECT_EQ(team->rank(), seat->member);
    }
  }
}

TEST(Topology, TalkInOneTeamDoesNotReachAnother) {
  const Topology topology(session(), degrees_that_fit());
  for (const int degree : degrees_that_fit()) {
    const auto seat = topology.seat(degree);
    if (!seat) continue;
    std::vector<std::byte> bytes;
    if (seat->member == 0) bytes = {static_cast<std::byte>(seat->team)};
    topology.team(degree).broadcast(bytes);
    EXPECT_EQ(bytes, std::vector<std::byte>{static_cast<std::byte>(seat->team)});
  }
}

TEST(Topology, TheStoreIsRankZeroAndAllWhoLead) {
  const Topology all(session(), {1});
  EXPECT_TRUE(all.store());
  EXPECT_EQ(all.store().size(), session().size());
  if (session().size() < 5) return;
  const Topology pairs(session(), {2});
  const int rank = session().rank();
  EXPECT_EQ(static_cast<bool>(pairs.store()), rank == 0 || rank == 1 || rank == 3);
  if (pairs.store()) {
    EXPECT_EQ(pairs.store().size(), 3);
  }
}

TEST(Topology, RefusesADegreeThatDoesNotFitOnEveryRankAlike) {
  EXPECT_THROW(Topology(session(), {1, session().size() + 1}), Error);
}

}  // namespace
}  // namespace steergrid
