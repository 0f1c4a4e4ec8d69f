#include "base/team_layout.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace steergrid {
namespace {

TEST(TeamLayout, RankZeroCoordinatesAndSitsInNoTeam) {
  const TeamLayout layout(9, 2);
  EXPECT_EQ(layout.teams(), 4);
  EXPECT_FALSE(layout.seat_of(0));
  EXPECT_FALSE(layout.leads(0));
}

TEST(TeamLayout, ARankAloneIsAlsoTheOnlyWorker) {
  const TeamLayout layout(1, 1);
  EXPECT_EQ(layout.teams(), 1);
  EXPECT_TRUE(layout.leads(0));
  EXPECT_EQ(layout.leader_of(0), 0);
}

TEST(TeamLayout, ConsecutiveWorkersFormATeamAndSurplusOnesIdle) {
  const TeamLayout layout(6, 2);
  EXPECT_EQ(layout.teams(), 2);
  for (int rank = 1; rank <= 4; ++rank) {
    ASSERT_TRUE(layout.seat_of(rank));
    EXPECT_EQ(layout.seat_of(rank)->team, (rank - 1) / 2);
    EXPECT_EQ(layout.seat_of(rank)->member, (rank - 1) % 2);
  }
  EXPECT_FALSE(layout.seat_of(5));
  EXPECT_EQ(layout.leader_of(1), 3);
  EXPECT_TRUE(layout.leads(3));
  EXPECT_FALSE(layout.leads(4));
}

TEST(TeamLayout, ADegreeThatDoesNotFitSaysHowManyRanksAreNeeded) {
  try {
    TeamLayout(3, 4);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::BadInput);
    EXPECT_NE(std::string(e.what()).find("mpirun -n 5"), std::string::npos) << e.what();
  }
  EXPECT_THROW(TeamLayout(1, 2), Error);
  EXPECT_THROW(TeamLayout(4, 0), Error);
}

}  // namespace
}  // namespace steergrid
