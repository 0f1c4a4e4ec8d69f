// Attention on the GPU: near the CPU's at odd sizes, and the promise forks rest on, bit for bit: a query's result does
// not depend on the fork's position, on how the rows are cut into segments, or on where a key is stored.
#include "tests/kernels/cuda/gpu.h"

namespace steergrid::testing {
namespace {

using CudaAttention = Gpu;

struct Heads {
  int query, kv, size;
};

/// A prompt's rows on the host.
struct Rows {
  Rows(std::int64_t rows, Heads h, DType dtype, unsigned seed = 1)
      : n(rows),
        heads(h),
        q(random_values(rows * h.query * h.size, seed, dtype, 2.0f)),
        k(random_values(rows * h.kv * h.size, seed + 1, dtype, 2.0f)),
        v(random_values(rows * h.kv * h.size, seed + 2, dtype, 2.0f)) {}
  std::int64_t q_cols() const { return heads.query * heads.size; }
  std::int64_t kv_cols() const { return heads.kv * heads.size; }
  std::int64_t n;
  Heads heads;
  std::vector<float> q, k, v;
};

std::vector<float> attend(Backend& on, Heads h, const std::vector<float>& q, const std::vector<float>& k,
                          const std::vector<float>& v, std::span<const Segment> segments) {
  const std::int64_t q_cols = h.query * h.size, kv_cols = h.kv * h.size;
  const auto queries = static_cast<std::int64_t>(q.size()) / q_cols,
             keys = static_cast<std::int64_t>(k.size()) / kv_cols;
  const Tensor out = poisoned_activations(on, queries, q_cols);
  on.attention(activations(on, queries, q_cols, q).view(), activations(on, keys, kv_cols, k).view(),
               activations(on, keys, kv_cols, v).view(), segments, h.size, out.view());
  return widened(on, out.view());
}

std::vector<float> attend_whole(Backend& on, const Rows& p) {
  const Segment whole{0, 0, 0, 0, static_cast<std::int32_t>(p.n)};
  return attend(on, p.heads, p.q, p.k, p.v, {&whole, 1});
}

TEST_F(CudaAttention, IsNearTheCpusAtOddSizesWithGroupedQueries) {
  for (const DType dtype : kDTypes)
    for (const Heads h : {Heads{2, 2, 64},
                          {6, 2, 16},
                          {4, 1, 24},
                          {3, 3, 10},
                          {1, 1, 100},
                          {2, 1, 128},
                          {1, 1, 80},
                          {8, 1, 128},
                          {40, 2, 8},
                          {2, 2, 256}})
      for (const std::int64_t rows : kEmulated ? kGpuRows : std::vector<std::int64_t>{1, 33, 127, 129}) {
        SCOPED_TRACE(::testing::Message() << name_of(dtype) << " head size " << h.size << " rows " << rows);
        const Rows p(rows, h, dtype);
        expect_near(attend_whole(*gpu(dtype), p), attend_whole(*cpu(dtype), p), one_step(dtype), 4e-5);
      }
  const Rows large(kEmulated ? 150 : 4095, {2, 1, 64}, DType::BFloat16);
  expect_near(attend_whole(*gpu(DType::BFloat16), large), attend_whole(*cpu(DType::BFloat16), large),
              one_step(DType::BFloat16), 4e-5);
}

TEST_F(CudaAttention, OfAForkAtEveryPositionHasThePromptsBits) {
  constexpr std::int64_t kRows = kEmulated ? 67 : 99;  // every offset in a tile, two or three times
  for (const DType dtype : kDTypes)
    for (const Heads h : {Heads{2, 2, 64}, {6, 2, 24}, {8, 1, 128}, {3, 1, 10}}) {
      const auto on = gpu(dtype);
      const Rows p(kRows, h, dtype);
      const auto expected = attend_whole(*on, p);
      const bool every = !kEmulated || (h.size == 64 && dtype == DType::BFloat16);
      for (std::int64_t at = 0; at < kRows; at += every ? 1 : 13) {
        auto k = p.k, v = p.v;
        k.insert(k.end(), p.k.begin() + at * p.kv_cols(), p.k.end());
        v.insert(v.end(), p.v.begin() + at * p.kv_cols(), p.v.end());
        // The prompt's own tail is poisoned: a fork must not read it.
        std::fill_n(k.begin() + at * p.kv_cols(), (kRows - at) * p.kv_cols(), std::nanf(""));
        std::fill_n(v.begin() + at * p.kv_cols(), (kRows - at) * p.kv_cols(), std::nanf(""));
        const Segment fork{kRows, 0, static_cast<std::int32_t>(at), 0, static_cast<std::int32_t>(kRows - at)};
        const std::vector<float> q(p.q.begin() + at * p.q_cols(), p.q.end());
        const auto found = attend(*on, h, q, k, v, {&fork, 1});
        ASSERT_TRUE(same_bits(found.data(), &expected[at * p.q_cols()], (kRows - at) * p.q_cols())) << "fork at " << at;
      }
    }
}

TEST_F(CudaAttention, OfManyForksOfTwoPromptsInOneCallHasThePromptsBits) {
  constexpr std::int64_t kRows = 75;
  const Heads h{4, 2, 32};
  const auto on = gpu(DType::BFloat16);
  const Rows prompts[] = {{kRows, h, DType::BFloat16, 10}, {kRows, h, DType::BFloat16, 20}};
  const std::vector<float> whole[] = {attend_whole(*on, prompts[0]), attend_whole(*on, prompts[1])};
  std::vector<float> q, k = prompts[0].k, v = prompts[0].v, expected;
  k.insert(k.end(), prompts[1].k.begin(), prompts[1].k.end());
  v.insert(v.end(), prompts[1].v.begin(), prompts[1].v.end());
  std::vector<Segment> forks;
  std::int64_t own = 2 * kRows;
  for (int i = 0; i < 60; ++i) {  // prompts alternate, positions run about, some forks ask for their last rows only
    const Rows& p = prompts[i % 2];
    const auto at = static_cast<std::int32_t>(i * 7 % kRows);
    const auto own_rows = static_cast<std::int32_t>(kRows - at);
    const std::int32_t skip = i % 3 == 0 ? own_rows / 2 : 0;
    forks.push_back({own, i % 2 * kRows, at, skip, own_rows - skip});
    k.insert(k.end(), p.k.begin() + at * p.kv_cols(), p.k.end());
    v.insert(v.end(), p.v.begin() + at * p.kv_cols(), p.v.end());
    q.insert(q.end(), p.q.begin() + (at + skip) * p.q_cols(), p.q.end());
    expected.insert(expected.end(), whole[i % 2].begin() + (at + skip) * p.q_cols(), whole[i % 2].end());
    own += own_rows;
  }
  const auto found = attend(*on, h, q, k, v, forks);
  ASSERT_EQ(found.size(), expected.size());
  EXPECT_TRUE(same_bits(found.data(), expected.data(), static_cast<std::int64_t>(found.size())));
}

TEST_F(CudaAttention, DoesNotDependOnHowTheQueriesAreCutIntoSegments) {
  constexpr std::int32_t kRows = kEmulated ? 70 : 300;
  for (const Heads h : {Heads{2, 1, 16}, {40, 2, 32}}) {
    const auto on = gpu(DType::Float32);
    const Rows p(kRows, h, DType::Float32);
    const auto expected = attend_whole(*on, p);
    for (const std::int32_t step : {1, 3, 17, 128}) {
      std::vector<Segment> pieces;
      for (std::int32_t first = 0; first < kRows; first += step)
        pieces.push_back({0, 0, 0, first, std::min(step, kRows - first)});
      const auto found = attend(*on, h, p.q, p.k, p.v, pieces);
      ASSERT_TRUE(same_bits(found.data(), expected.data(), static_cast<std::int64_t>(found.size()))) << step;
    }
  }
}

TEST_F(CudaAttention, KeepsNaNOfAKeyFromQueriesThatDoNotSeeIt) {
  constexpr std::int64_t kRows = 50;
  for (const DType dtype : kDTypes) {
    const auto on = gpu(dtype);
    const Rows clean(kRows, {2, 2, 32}, dtype);
    Rows spoilt = clean;
    std::fill_n(spoilt.k.begin() + 20 * 64, 64, std::nanf(""));
    std::fill_n(spoilt.v.begin() + 20 * 64, 64, std::numeric_limits<float>::infinity());
    const auto found = attend_whole(*on, spoilt);
    EXPECT_TRUE(same_bits(found.data(), attend_whole(*on, clean).data(), 20 * 64));
    for (std::size_t i = 20 * 64; i < kRows * 64; ++i) ASSERT_FALSE(std::isfinite(found[i]));
  }
}

/// Tensor cores cut all terms of a sum to the last bit of the largest one.
TEST_F(CudaAttention, KeepsAHugeValueFromQueriesThatDoNotSeeIt) {
  constexpr std::int64_t kRows = 50, kHuge = 20;
  for (const DType dtype : kDTypes) {
    const auto on = gpu(dtype);
    Rows clean(kRows, {2, 2, 32}, dtype);
    clean.v = random_values(kRows * 64, 9, dtype, 1e-4f);  // small, beside what is not seen
    Rows spoilt = clean;
    std::fill_n(spoilt.v.begin() + kHuge * 64, 64, dtype == DType::Float16 ? 60000.0f : 0x1p120f);
    EXPECT_TRUE(same_bits(attend_whole(*on, spoilt).data(), attend_whole(*on, clean).data(), kHuge * 64))
        << name_of(dtype);
  }
}

}  // namespace
}  // namespace steergrid::testing
