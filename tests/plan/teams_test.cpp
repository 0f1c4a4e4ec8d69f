#include "plan/teams.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace steergrid {
namespace {

TEST(TeamsOfAWorld, LeaveRankZeroOutUnlessItIsAlone) {
  EXPECT_EQ(teams_of(1, 1, "m").workers, 1);
  EXPECT_EQ(teams_of(2, 1, "m").workers, 1);
  EXPECT_EQ(teams_of(9, 1, "m").teams, 8);
}

TEST(TeamsOfAWorld, LeaveWorkersIdleThatFitInNoTeam) {
  const Teams t = teams_of(12, 4, "m");
  EXPECT_EQ(t.workers, 11);
  EXPECT_EQ(t.teams, 2);
  EXPECT_EQ(t.idle, 3);
}

TEST(TeamsOfAWorld, AreRefusedWhereNoneFits) {
  try {
    teams_of(4, 4, "large");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "model 'large': expected at least 5 ranks (a coordinator and 4 workers for tensor_parallel: 4), found "
                 "4: mpirun -n 5 ...");
  }
  EXPECT_THROW(teams_of(1, 2, "m"), Error);
  EXPECT_THROW(teams_of(0, 1, "m"), Error);
}

}  // namespace
}  // namespace steergrid
