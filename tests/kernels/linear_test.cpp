// GEMMs: right numbers, and rows whose bits depend on nothing but the row. ctest runs this file once for each
// instruction set that oneDNN can be limited to (CMakeLists.txt), because its kernels differ.
#include <fmt/format.h>

#include "tests/kernels/arrays.h"

namespace steergrid::testing {
namespace {

struct Shape {
  std::int64_t n, k;
};

TEST(Linear, MatchesAFloat64ProductAtOddSizes) {
  for (const DType dtype : kDTypes)
    for (const Shape s : {Shape{64, 64}, {130, 64}, {1, 48}, {257, 100}, {33, 7}, {515, 129}})
      for (const std::int64_t rows : kOddRows) {
        SCOPED_TRACE(::testing::Message() << name_of(dtype) << " N " << s.n << " K " << s.k << " rows " << rows);
        const auto backend = make_cpu_backend(dtype, 2);
        const auto x = random_values(rows * s.k, 1, dtype), w = random_values(s.n * s.k, 2, dtype);
        const Tensor in = tensor_of(*backend, rows, s.k, x), weight = backend->load_weight(host(w, s.n, s.k));
        const Tensor out = poisoned(*backend, rows, s.n), partial = poisoned(*backend, rows, s.n);
        backend->linear(in.view(), weight, out.view(), Round::ToCompute);
        backend->linear(in.view(), weight, partial.view(), Round::None);
        const auto y = values_of(*backend, out.view()), p = values_of(*backend, partial.view());
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t n = 0; n < s.n; ++n) {
            double sum = 0, size = 0;
            for (std::int64_t k = 0; k < s.k; ++k) {
              const double product = static_cast<double>(x[r * s.k + k]) * w[n * s.k + k];
              sum += product;
              size += std::abs(product);
            }
            const auto at = static_cast<std::size_t>(r * s.n + n);
            ASSERT_NEAR(p[at], sum, 1e-6 * size + 1e-30);
            ASSERT_EQ(y[at], round_to(dtype, p[at]));
          }
      }
}

TEST(Linear, RoundsItsSumsToABfloat16Output) {
  const auto backend = make_cpu_backend(DType::BFloat16, 2);
  for (const std::int64_t n : {1, 64, 515}) {
    const Tensor in = tensor_of(*backend, 33, 129, random_values(33 * 129, 1, DType::BFloat16));
    const Tensor weight = backend->load_weight(host(random_values(n * 129, 2, DType::BFloat16), n, 129));
    const Tensor wide = poisoned(*backend, 33, n), narrow = backend->allocate(33, n, DType::BFloat16);
    backend->linear(in.view(), weight, wide.view(), Round::ToCompute);
    backend->linear(in.view(), weight, narrow.view(), Round::None);
    EXPECT_EQ(widened(*backend, narrow.view()), values_of(*backend, wide.view())) << n;
  }
}

TEST(Linear, ReadsAColumnSliceOfACheckpointInAnyTypeAndRoundsItToTheComputeType) {
  constexpr std::int64_t kRows = 70, kCols = 48, kStride = 100;
  const auto wide = random_values(kRows * kStride, 3);
  for (const DType stored : kDTypes)
    for (const DType compute : kDTypes) {
      std::vector<std::uint16_t> halves;
      std::vector<float> expected;
      for (std::int64_t r = 0; r < kRows; ++r)
        for (std::int64_t c = 0; c < kStride; ++c) {
          const float v = wide[r * kStride + c];
          halves.push_back(stored == DType::BFloat16 ? float_to_bfloat16(v) : float_to_float16(v));
          if (c >= 20 && c < 20 + kCols) expected.push_back(round_to(compute, round_to(stored, v)));
        }
      const auto* base = stored == DType::Float32 ? reinterpret_cast<const std::byte*>(wide.data())
                                                  : reinterpret_cast<const std::byte*>(halves.data());
      const auto backend = make_cpu_backend(compute, 1);
      const Tensor slice = backend->load_weight({base + 20 * size_of(stored), kRows, kCols, kStride, stored});
      std::vector<std::int32_t> ids(kRows);
      for (std::int32_t i = 0; i < kRows; ++i) ids[i] = i;
      const Tensor x = poisoned(*backend, kRows, kCols);
      backend->embed(ids, slice, 0, x.view());
      EXPECT_EQ(values_of(*backend, x.view()), expected) << name_of(stored) << " as " << name_of(compute);
    }
}

class RowsOfLinear : public ::testing::TestWithParam<Shape> {};

TEST_P(RowsOfLinear, HaveTheSameBitsForEveryRowCountPlaceAndThreadCount) {
  const auto [n, k] = GetParam();
  constexpr std::int64_t kMost = 1025;
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const auto one = make_cpu_backend(dtype, 1), two = make_cpu_backend(dtype, 2);
    const auto w = random_values(n * k, 5, dtype);
    const Tensor weight = one->load_weight(host(w, n, k));
    const Tensor x = tensor_of(*one, kMost, k, random_values(kMost * k, 4, dtype));
    const Tensor all = poisoned(*one, kMost, n);
    one->linear(x.view(), weight, all.view(), Round::None);
    const float* expected = all.view().as<float>();
    for (const std::int64_t rows : {1, 2, 3, 7, 8, 16, 33, 64, 127, 128, 129, 255, 256, 1000, 1024, 1025})
      for (const auto* backend : {&one, &two})
        for (const std::int64_t first : {0, 5, 62, 700}) {
          if (first + rows > kMost) continue;
          const Tensor out = poisoned(**backend, rows, n);
          (*backend)->linear(x.row_range(first, rows), weight, out.view(), Round::None);
          ASSERT_TRUE(same_bits(out.view().as<float>(), expected + first * n, rows * n))
              << name_of(dtype) << ", " << rows << " rows from " << first << ", threads " << (backend == &one ? 1 : 2)
              << ", " << one->architecture();
        }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, RowsOfLinear,
                         ::testing::Values(Shape{64, 64}, Shape{192, 64}, Shape{130, 64}, Shape{33, 100},
                                           Shape{1024, 1024}, Shape{704, 1024}, Shape{320, 2816}, Shape{2050, 256}),
                         [](const auto& shape) { return fmt::format("N{}K{}", shape.param.n, shape.param.k); });

TEST(Linear, HasTheSameBitsForARowInEveryPlaceOfABlock) {
  constexpr std::int64_t kRows = 192, kN = 300, kK = 520;
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const auto backend = make_cpu_backend(dtype, 2);
    const auto row = random_values(kK, 6, dtype);
    std::vector<float> x;
    for (std::int64_t r = 0; r < kRows; ++r) x.insert(x.end(), row.begin(), row.end());
    const Tensor weight = backend->load_weight(host(random_values(kN * kK, 7, dtype), kN, kK));
    const Tensor out = poisoned(*backend, kRows + 5, kN);
    const Tensor in = tensor_of(*backend, kRows, kK, x);
    backend->linear(in.view(), weight, out.row_range(0, kRows), Round::None);
    backend->linear(in.row_range(0, 5), weight, out.row_range(kRows, 5), Round::None);
    for (std::int64_t r = 1; r < kRows + 5; ++r)
      ASSERT_TRUE(same_bits(out.view().as<float>(), out.view().as<float>() + r * kN, kN)) << "row " << r;
  }
}

TEST(Linear, KeepsNaNAndInfinityInTheirRows) {
  const auto backend = make_cpu_backend(DType::BFloat16, 2);
  auto x = random_values(40 * 64, 8, DType::BFloat16);
  const auto w = random_values(64 * 64, 9, DType::BFloat16);
  const Tensor weight = backend->load_weight(host(w, 64, 64)), clean = poisoned(*backend, 40, 64);
  backend->linear(tensor_of(*backend, 40, 64, x).view(), weight, clean.view(), Round::ToCompute);
  x[3 * 64 + 7] = std::numeric_limits<float>::quiet_NaN();
  x[20 * 64 + 1] = std::numeric_limits<float>::infinity();
  const Tensor out = poisoned(*backend, 40, 64);
  backend->linear(tensor_of(*backend, 40, 64, x).view(), weight, out.view(), Round::ToCompute);
  const auto y = values_of(*backend, out.view()), z = values_of(*backend, clean.view());
  for (int r = 0; r < 40; ++r) {
    if (r == 3 || r == 20) {
      for (int n = 0; n < 64; ++n) EXPECT_FALSE(std::isfinite(y[r * 64 + n]));
    } else {
      EXPECT_TRUE(same_bits(&y[r * 64], &z[r * 64], 64)) << "row " << r;
    }
  }
}

}  // namespace
}  // namespace steergrid::testing
