// Attention: against a float64 softmax, and the promise forks rest on: a query's bits do not depend on how the rows are
// cut into segments, on the fork position, or on where a key is stored.
#include <algorithm>

#include "tests/kernels/arrays.h"

namespace steergrid::testing {
namespace {

struct Heads {
  int query, kv, size;
};

/// A prompt of `rows` rows, and its attention in one segment.
struct Prompt {
  Prompt(Backend& backend, std::int64_t rows, Heads h, DType dtype, unsigned seed = 1)
      : heads(h),
        q(tensor_of(backend, rows, h.query * h.size, random_values(rows * h.query * h.size, seed, dtype, 2.0f))),
        k(tensor_of(backend, rows, h.kv * h.size, random_values(rows * h.kv * h.size, seed + 1, dtype, 2.0f))),
        v(tensor_of(backend, rows, h.kv * h.size, random_values(rows * h.kv * h.size, seed + 2, dtype, 2.0f))),
        out(poisoned(backend, rows, h.query * h.size)) {
    const Segment whole{0, 0, 0, 0, static_cast<std::int32_t>(rows)};
    backend.attention(q.view(), k.view(), v.view(), {&whole, 1}, h.size, out.view());
  }
  Heads heads;
  Tensor q, k, v, out;
};

TEST(Attention, MatchesAFloat64SoftmaxAtOddSizesWithGroupedQueries) {
  for (const DType dtype : kDTypes)
    for (const Heads h : {Heads{2, 2, 64}, {6, 2, 16}, {4, 1, 24}, {3, 3, 10}, {2, 1, 128}, {1, 1, 80}})
      for (const std::int64_t rows : kOddRows) {
        SCOPED_TRACE(::testing::Message() << name_of(dtype) << " head size " << h.size << " rows " << rows);
        const auto backend = make_cpu_backend(dtype, 2);
        const Prompt p(*backend, rows, h, dtype);
        const float *q = p.q.view().as<float>(), *k = p.k.view().as<float>(), *v = p.v.view().as<float>();
        for (std::int64_t r = 0; r < rows; ++r)
          for (int head = 0; head < h.query; ++head) {
            const int kv = head / (h.query / h.kv);
            std::vector<double> s(r + 1);
            for (std::int64_t j = 0; j <= r; ++j) {
              for (int e = 0; e < h.size; ++e)
                s[j] += static_cast<double>(q[(r * h.query + head) * h.size + e]) * k[(j * h.kv + kv) * h.size + e];
              s[j] /= std::sqrt(static_cast<double>(h.size));
            }
            const double top = *std::max_element(s.begin(), s.end());
            double sum = 0;
            for (double& value : s) sum += value = std::exp(value - top);
            for (int e = 0; e < h.size; ++e) {
              double expected = 0;
              for (std::int64_t j = 0; j <= r; ++j) expected += s[j] / sum * v[(j * h.kv + kv) * h.size + e];
              const float found = p.out.view().as<float>()[(r * h.query + head) * h.size + e];
              ASSERT_NEAR(found, expected, rounding_error(dtype) * std::abs(expected) + 2e-5);
            }
          }
      }
}

/// Rows of the prompt's k and v followed by copies of its rows [from, end): a fork's own rows.
Tensor with_copy(Backend& backend, const Tensor& rows, std::int64_t from) {
  const Matrix& view = rows.view();
  auto values = values_of(backend, view);
  values.insert(values.end(), view.as<float>() + from * view.cols, view.as<float>() + view.rows * view.cols);
  return tensor_of(backend, 2 * view.rows - from, view.cols, values);
}

TEST(Attention, OfAForkAtEveryPositionHasThePromptsBits) {
  constexpr std::int64_t kRows = 67;
  for (const DType dtype : {DType::Float32, DType::BFloat16})
    for (const Heads h : {Heads{2, 2, 64}, {6, 2, 24}}) {
      const auto backend = make_cpu_backend(dtype, 2);
      const Prompt p(*backend, kRows, h, dtype);
      const std::int64_t width = h.query * h.size;
      for (std::int64_t at = 0; at < kRows; ++at) {
        const Tensor k = with_copy(*backend, p.k, at), v = with_copy(*backend, p.v, at);
        // The prompt's own tail is poisoned: a fork must not read it.
        std::fill_n(k.view().as<float>() + at * k.view().cols, (kRows - at) * k.view().cols, std::nanf(""));
        std::fill_n(v.view().as<float>() + at * v.view().cols, (kRows - at) * v.view().cols, std::nanf(""));
        const Tensor out = poisoned(*backend, kRows - at, width);
        const Segment fork{kRows, 0, static_cast<std::int32_t>(at), 0, static_cast<std::int32_t>(kRows - at)};
        backend->attention(p.q.row_range(at, kRows - at), k.view(), v.view(), {&fork, 1}, h.size, out.view());
        ASSERT_TRUE(same_bits(out.view().as<float>(), p.out.view().as<float>() + at * width, (kRows - at) * width))
            << "fork at " << at;
      }
    }
}

TEST(Attention, OfManyForksOfSeveralPromptsInOneCallHasThePromptsBits) {
  constexpr std::int64_t kRows = 45;
  const Heads h{4, 2, 32};
  for (const int threads : {1, 2}) {
    const auto backend = make_cpu_backend(DType::BFloat16, threads);
    const Prompt a(*backend, kRows, h, DType::BFloat16, 10), b(*backend, kRows, h, DType::BFloat16, 20);
    const std::int64_t width = h.query * h.size;
    auto q = std::vector<float>(), k = values_of(*backend, a.k.view()), v = values_of(*backend, a.v.view());
    const auto append = [](std::vector<float>& to, const Matrix& m, std::int64_t from) {
      to.insert(to.end(), m.as<float>() + from * m.cols, m.as<float>() + m.rows * m.cols);
    };
    append(k, b.k.view(), 0);
    append(v, b.v.view(), 0);
    std::vector<Segment> forks;
    std::int64_t own = 2 * kRows;
    for (int i = 0; i < 60; ++i) {  // prompts alternate, positions run about, some forks ask for their last rows only
      const Prompt& p = i % 2 == 0 ? a : b;
      const auto at = static_cast<std::int32_t>(i * 7 % kRows);
      const std::int32_t skip = i % 3 == 0 ? (static_cast<std::int32_t>(kRows) - at) / 2 : 0;
      const auto own_rows = static_cast<std::int32_t>(kRows - at);
      forks.push_back({own, i % 2 == 0 ? 0 : kRows, at, skip, own_rows - skip});
      append(k, p.k.view(), at);
      append(v, p.v.view(), at);
      append(q, p.q.view(), at + skip);
      own += own_rows;
    }
    const auto queries = static_cast<std::int64_t>(q.size()) / width;
    const Tensor out = poisoned(*backend, queries, width);
    backend->attention(tensor_of(*backend, queries, width, q).view(), tensor_of(*backend, own, h.kv * h.size, k).view(),
                       tensor_of(*backend, own, h.kv * h.size, v).view(), forks, h.size, out.view());
    const float* found = out.view().as<float>();
    for (std::size_t i = 0; i < forks.size(); ++i) {
      const float* expected = (i % 2 == 0 ? a : b).out.view().as<float>();
      ASSERT_TRUE(
          same_bits(found, expected + (forks[i].position + forks[i].first_query) * width, forks[i].n_queries * width))
          << "fork " << i;
      found += forks[i].n_queries * width;
    }
  }
}

TEST(Attention, DoesNotDependOnHowTheQueriesAreCutIntoSegments) {
  constexpr std::int64_t kRows = 300;  // more than one task
  const Heads h{2, 1, 16};
  const auto backend = make_cpu_backend(DType::Float32, 2);
  const Prompt p(*backend, kRows, h, DType::Float32);
  for (const std::int32_t step : {1, 3, 17, 128}) {
    std::vector<Segment> pieces;
    for (std::int32_t first = 0; first < kRows; first += step)
      pieces.push_back({0, 0, 0, first, std::min<std::int32_t>(step, kRows - first)});
    const Tensor out = poisoned(*backend, kRows, h.query * h.size);
    backend->attention(p.q.view(), p.k.view(), p.v.view(), pieces, h.size, out.view());
    ASSERT_TRUE(same_bits(out.view().as<float>(), p.out.view().as<float>(), kRows * h.query * h.size)) << step;
  }
}

TEST(Attention, KeepsNaNOfAKeyFromQueriesThatDoNotSeeIt) {
  constexpr std::int64_t kRows = 50;
  const Heads h{2, 2, 32};
  const auto backend = make_cpu_backend(DType::Float32, 2);
  const Prompt p(*backend, kRows, h, DType::Float32);
  auto k = values_of(*backend, p.k.view()), v = values_of(*backend, p.v.view());
  std::fill_n(k.begin() + 20 * 64, 64, std::nanf(""));
  std::fill_n(v.begin() + 20 * 64, 64, std::numeric_limits<float>::infinity());
  const Segment whole{0, 0, 0, 0, kRows};
  const Tensor out = poisoned(*backend, kRows, 64);
  backend->attention(p.q.view(), tensor_of(*backend, kRows, 64, k).view(), tensor_of(*backend, kRows, 64, v).view(),
                     {&whole, 1}, h.size, out.view());
  EXPECT_TRUE(same_bits(out.view().as<float>(), p.out.view().as<float>(), 20 * 64));
  for (std::int64_t i = 20 * 64; i < kRows * 64; ++i) ASSERT_FALSE(std::isfinite(out.view().as<float>()[i]));
}

}  // namespace
}  // namespace steergrid::testing
