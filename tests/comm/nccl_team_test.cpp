// NCCL between as many GPUs as there are ranks, in a build that has it: with one rank on any machine with a GPU, with
// more on one that has several.
#include "comm/nccl_team.h"

#include <gtest/gtest.h>

#include "comm/mpi_team.h"
#include "kernels/backend.h"
#include "tests/comm/mpi_main.h"

namespace steergrid {
namespace {

class Nccl : public testing::Test {
 protected:
  void SetUp() override {
    if (static_cast<int>(visible_gpus().size()) < session().size())
      GTEST_SKIP() << "no CUDA device for each of " << session().size() << " rank(s)";
    team_ = std::make_unique<NcclTeam>(members_, session().rank());
    backend_ = make_cuda_backend(DType::Float32, session().rank());
    team_->use_queue(backend_->queue());
  }

  /// Gathers rows that name their rank and `round`; every member's must arrive as it sent them.
  void gather(std::int64_t rows, int round) {
    const auto values_of = [&](int rank) {
      std::vector<float> values(static_cast<std::size_t>(rows * 64));
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(i) / 3 + static_cast<float>(1000 * rank + round);
      return values;
    };
    const Tensor mine = backend_->allocate(rows, 64, DType::Float32);
    const std::vector<float> sent = values_of(session().rank());
    backend_->upload(mine.view(), std::as_bytes(std::span(sent)));
    const auto parts = team_->gather(mine.view());
    ASSERT_EQ(static_cast<int>(parts.size()), session().size());
    for (int rank = 0; rank < session().size(); ++rank) {
      std::vector<float> found(sent.size());
      EXPECT_NE(parts[static_cast<std::size_t>(rank)].data, mine.view().data);
      backend_->download(parts[static_cast<std::size_t>(rank)], std::as_writable_bytes(std::span(found)));
      ASSERT_EQ(found, values_of(rank)) << "of rank " << rank << " in round " << round;
    }
  }

  MpiTeam members_{session().world().duplicate()};
  std::unique_ptr<NcclTeam> team_;
  std::unique_ptr<Backend> backend_;
};

TEST_F(Nccl, GathersInTheQueuesOrderInABufferThatGrowsAndDoesNotShrink) {
  int round = 0;
  for (const std::int64_t rows : {3, 1000, 1}) gather(rows, round++);
  EXPECT_TRUE(NcclTeam::available());
}

/// Many short transfers, while the watcher asks after them.
TEST_F(Nccl, GathersThousandsOfTimes) {
  for (int round = 0; round < 3000 && !HasFatalFailure(); ++round) gather(1 + round % 7, round);
}

}  // namespace
}  // namespace steergrid
