#include "comm/communicator.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/comm/mpi_main.h"

namespace steergrid {
namespace {

TEST(MpiSession, KnowsItsPlaceInTheWorldAndOnItsNode) {
  EXPECT_GE(session().rank(), 0);
  EXPECT_LT(session().rank(), session().size());
  EXPECT_EQ(session().node_size(), session().world().split_by_node().size());
  EXPECT_FALSE(session().host().empty());
}

TEST(MpiSession, NamesTheLibraryInOneLine) {
  const std::string version = MpiSession::library_version();
  EXPECT_FALSE(version.empty());
  EXPECT_EQ(version.find('\n'), std::string::npos);
}

TEST(Communicator, SplitGivesTheRanksOfAColorInTheirOrder) {
  const int rank = session().rank();
  const Communicator half = session().world().split(rank % 2);
  EXPECT_EQ(half.rank(), rank / 2);
  EXPECT_EQ(half.size(), (session().size() + 1 - rank % 2) / 2);
}

TEST(Communicator, IsEmptyWhereARankHasNoColor) {
  const bool in = session().rank() == 0;
  const Communicator c = session().world().split(in ? std::optional(7) : std::nullopt);
  EXPECT_EQ(static_cast<bool>(c), in);
  EXPECT_EQ(c.size(), in ? 1 : 0);
}

TEST(Communicator, MovesItsMembershipAlong) {
  Communicator a = session().world().duplicate();
  const Communicator b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT: what is left of it is part of the contract
  EXPECT_EQ(b.size(), session().size());
}

}  // namespace
}  // namespace steergrid
