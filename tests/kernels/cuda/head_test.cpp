// The language-model head on the GPU, against the CPU's and at the edges.
#include "tests/kernels/cuda/gpu.h"

namespace steergrid::testing {
namespace {

using CudaHead = Gpu;

std::vector<HeadRow> head_on(Backend& on, std::int64_t rows, std::int64_t d, const std::vector<float>& h,
                             const std::vector<float>& w, std::int32_t first_id,
                             std::span<const std::int32_t> selected) {
  const Tensor table = on.load_weight(host(w, static_cast<std::int64_t>(w.size()) / d, d));
  return on.head(activations(on, rows, d, h).view(), table, first_id, selected);
}

TEST_F(CudaHead, IsNearTheCpus) {
  constexpr std::int64_t d = 48;
  for (const DType dtype : kDTypes)
    for (const std::int64_t rows : {1, 33, kEmulated ? 34 : 129})
      for (const std::int64_t vocabulary : {17, 100, 1003, kEmulated ? 5003 : 32003}) {
        const auto x = random_values(rows * d, 1, dtype), w = random_values(vocabulary * d, 2, dtype);
        const std::int32_t selected[] = {2000, 1999, static_cast<std::int32_t>(2000 + vocabulary),
                                         static_cast<std::int32_t>(1999 + vocabulary)};
        const auto found = head_on(*gpu(dtype), rows, d, x, w, 2000, selected);
        const auto expected = head_on(*cpu(dtype), rows, d, x, w, 2000, selected);
        ASSERT_EQ(found.size(), expected.size());
        for (std::size_t r = 0; r < found.size(); ++r) {
          ASSERT_NEAR(found[r].log_sum_exp, expected[r].log_sum_exp, 4e-5);
          ASSERT_NEAR(found[r].top_logit, expected[r].top_logit, 4e-5);
          ASSERT_EQ(found[r].top_token, expected[r].top_token);
          ASSERT_EQ(found[r].selected.size(), 4u);
          ASSERT_NEAR(found[r].selected[0], expected[r].selected[0], 4e-5);
          ASSERT_NEAR(found[r].selected[3], expected[r].selected[3], 4e-5);
          ASSERT_TRUE(std::isnan(found[r].selected[1]) && std::isnan(found[r].selected[2]));
        }
      }
}

TEST_F(CudaHead, TakesTheLowestOfEqualTokensAndSaysMinusOneForNaN) {
  const auto found = head_on(*gpu(DType::Float32), 4, 1, {1.0f, -1.0f, std::nanf(""), 0.0f}, {1, 3, 2, 3, 3}, 10, {});
  EXPECT_EQ(found[0].top_token, 11);
  EXPECT_EQ(found[1].top_token, 10);
  EXPECT_EQ(found[2].top_token, -1);
  EXPECT_TRUE(std::isnan(found[2].log_sum_exp) && std::isnan(found[2].top_logit));
  EXPECT_EQ(found[3].top_token, 10);
  EXPECT_NEAR(found[3].log_sum_exp, std::log(5.0), 1e-14);
}

TEST_F(CudaHead, SaysInfinityOfInfiniteLogits) {
  const auto found = head_on(*gpu(DType::Float32), 1, 1, {1e30f}, {1e30f, 1.0f}, 0, {});
  EXPECT_EQ(found[0].top_token, 0);
  EXPECT_EQ(found[0].log_sum_exp, std::numeric_limits<double>::infinity());
}

TEST_F(CudaHead, GivesARowTheSameBitsAmongAnyOthers) {
  constexpr std::int64_t d = 64, vocabulary = 5001, kRows = 40;
  for (const DType dtype : kDTypes) {
    const auto on = gpu(dtype);
    const Tensor table = on->load_weight(host(random_values(vocabulary * d, 2, dtype), vocabulary, d));
    const Tensor h = activations(*on, kRows, d, random_values(kRows * d, 1, dtype));
    const auto all = on->head(h.view(), table, 0, {});
    for (std::int64_t r = 0; r < kRows; ++r) {
      const auto single = on->head(h.row_range(r, 1), table, 0, {});
      ASSERT_EQ(single[0].log_sum_exp, all[static_cast<std::size_t>(r)].log_sum_exp);
      ASSERT_EQ(single[0].top_logit, all[static_cast<std::size_t>(r)].top_logit);
    }
  }
}

}  // namespace
}  // namespace steergrid::testing
