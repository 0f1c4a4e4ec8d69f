// NCCL with one rank, in a build that has it; more ranks need a machine with several GPUs.
#include "comm/nccl_team.h"

#include <gtest/gtest.h>

#include "kernels/backend.h"

namespace steergrid {
namespace {

TEST(NcclTeam, OfOneRankGathersInTheQueuesOrder) {
  if (visible_gpus().empty()) GTEST_SKIP() << "no CUDA device";
  SoloTeam solo;
  NcclTeam team(solo, 0);
  const auto backend = make_cuda_backend(DType::Float32, 0);
  team.use_queue(backend->queue());
  for (const std::int64_t rows : {3, 1000, 1}) {  // grows, and does not shrink
    std::vector<float> values(static_cast<std::size_t>(rows * 64)), found(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 3;
    const Tensor mine = backend->allocate(rows, 64, DType::Float32);
    backend->upload(mine.view(), std::as_bytes(std::span(values)));
    const auto parts = team.gather(mine.view());
    ASSERT_EQ(parts.size(), 1u);
    EXPECT_NE(parts[0].data, mine.view().data);
    backend->download(parts[0], std::as_writable_bytes(std::span(found)));
    EXPECT_EQ(found, values);
  }
  EXPECT_TRUE(NcclTeam::available());
}

}  // namespace
}  // namespace steergrid
