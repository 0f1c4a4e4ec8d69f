// All ranks of these tests share a node: the workers are numbered through, the coordinator is left out.
#include "comm/node_seat.h"

#include <gtest/gtest.h>

#include "tests/comm/mpi_main.h"

namespace steergrid {
namespace {

TEST(NodeSeat, NumbersTheWorkersOfANodeAndLeavesTheCoordinatorOut) {
  const auto seat = seat_on_node(session());
  const int ranks = session().size();
  if (ranks > 1 && session().rank() == 0) {
    EXPECT_FALSE(seat);
    return;
  }
  ASSERT_TRUE(seat);
  EXPECT_EQ(seat->workers, ranks == 1 ? 1 : ranks - 1);
  EXPECT_EQ(seat->worker, ranks == 1 ? 0 : session().rank() - 1);
}

}  // namespace
}  // namespace steergrid
