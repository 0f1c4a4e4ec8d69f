// The language-model head, and what the backend says of itself.

#include <gmock/gmock.h>

#include "tests/kernels/arrays.h"

namespace steergrid::testing {
namespace {

TEST(Head, MatchesAFloat64LogSumExpOverTheSlice) {
  for (const DType dtype : kDTypes)
    for (const std::int64_t rows : {1, 33, 129})
      for (const std::int64_t vocabulary : {1, 100, 1003}) {
        constexpr std::int64_t d = 48;
        const auto backend = make_cpu_backend(dtype, 2);
        const auto x = random_values(rows * d, 1, dtype), w = random_values(vocabulary * d, 2, dtype);
        const Tensor h = tensor_of(*backend, rows, d, x), table = backend->load_weight(host(w, vocabulary, d));
        const std::vector<std::int32_t> selected{2000, 1999, static_cast<std::int32_t>(2000 + vocabulary)};
        const auto found = backend->head(h.view(), table, 2000, selected);
        ASSERT_EQ(found.size(), static_cast<std::size_t>(rows));
        for (std::int64_t r = 0; r < rows; ++r) {
          double sum = 0, top = -1e300, first = 0;
          std::int64_t top_id = -1;
          for (std::int64_t n = 0; n < vocabulary; ++n) {
            double logit = 0;
            for (std::int64_t i = 0; i < d; ++i) logit += static_cast<double>(x[r * d + i]) * w[n * d + i];
            if (n == 0) first = logit;
            if (logit > top) top = logit, top_id = n;
            sum += std::exp(logit);
          }
          ASSERT_NEAR(found[r].log_sum_exp, std::log(sum), 2e-5);
          ASSERT_NEAR(found[r].top_logit, top, 2e-5);
          ASSERT_EQ(found[r].top_token, 2000 + top_id);
          ASSERT_NEAR(found[r].selected[0], first, 2e-5);
          ASSERT_TRUE(std::isnan(found[r].selected[1]) && std::isnan(found[r].selected[2]));
        }
      }
}

TEST(Head, TakesTheLowestOfEqualTokensAndSaysMinusOneForNaN) {
  const auto backend = make_cpu_backend(DType::Float32, 2);
  const std::vector<float> w{1, 3, 2, 3, 3};
  const Tensor table = backend->load_weight(host(w, 5, 1));
  const Tensor h = tensor_of(*backend, 4, 1, {1.0f, -1.0f, std::nanf(""), 0.0f});
  const auto found = backend->head(h.view(), table, 10, {});
  EXPECT_EQ(found[0].top_token, 11);
  EXPECT_EQ(found[1].top_token, 10);
  EXPECT_EQ(found[2].top_token, -1);
  EXPECT_TRUE(std::isnan(found[2].log_sum_exp));
  EXPECT_EQ(found[3].top_token, 10);
  EXPECT_NEAR(found[3].log_sum_exp, std::log(5.0), 1e-14);
}

TEST(Head, SaysInfinityOfInfiniteLogits) {
  const auto backend = make_cpu_backend(DType::Float32, 1);
  const Tensor table = backend->load_weight(host({1e30f, 1.0f}, 2, 1)), h = tensor_of(*backend, 1, 1, {1e30f});
  const auto found = backend->head(h.view(), table, 0, {});
  EXPECT_EQ(found[0].top_token, 0);
  EXPECT_EQ(found[0].log_sum_exp, std::numeric_limits<double>::infinity());
}

TEST(Head, GivesARowTheSameBitsAmongAnyOthersAndOnAnyThreads) {
  constexpr std::int64_t d = 64, vocabulary = 5000;
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const auto two = make_cpu_backend(dtype, 2), one = make_cpu_backend(dtype, 1);
    const auto w = random_values(vocabulary * d, 2, dtype);
    const Tensor h = tensor_of(*two, 40, d, random_values(40 * d, 1, dtype));
    const Tensor table = two->load_weight(host(w, vocabulary, d));
    const auto all = two->head(h.view(), table, 0, {});
    for (std::int64_t r = 0; r < 40; ++r) {
      const auto single = one->head(h.row_range(r, 1), table, 0, {});
      ASSERT_EQ(single[0].log_sum_exp, all[r].log_sum_exp);
      ASSERT_EQ(single[0].top_logit, all[r].top_logit);
    }
  }
}

TEST(CpuBackend, NamesWhatDecidesItsBits) {
  const auto backend = make_cpu_backend(DType::BFloat16, 1);
  EXPECT_EQ(backend->name(), "cpu");
  EXPECT_EQ(backend->compute_dtype(), DType::BFloat16);
  EXPECT_EQ(backend->activation_dtype(), DType::Float32);
  EXPECT_THAT(backend->architecture(), ::testing::StartsWith("x86-64 "));
  EXPECT_THAT(backend->gemm_library(), ::testing::StartsWith("oneDNN "));
}

}  // namespace
}  // namespace steergrid::testing
