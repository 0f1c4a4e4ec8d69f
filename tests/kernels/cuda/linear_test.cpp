// Products on the GPU against the CPU's, at odd sizes.
#include "tests/kernels/cuda/gpu.h"

namespace steergrid::testing {
namespace {

using CudaLinear = Gpu;

struct Shape {
  std::int64_t n, k;
};

/// Product with Round::None, and with the result rounded to the compute type.
struct Products {
  std::vector<float> exact, rounded;
};

Products linear_on(Backend& on, Shape s, std::int64_t rows, const std::vector<float>& x, const std::vector<float>& w) {
  const Tensor in = activations(on, rows, s.k, x), weight = on.load_weight(host(w, s.n, s.k));
  const Tensor out = poisoned_activations(on, rows, s.n), partial = poisoned(on, rows, s.n);
  on.linear(in.view(), weight, out.view(), Round::ToCompute);
  on.linear(in.view(), weight, partial.view(), Round::None);
  return {values_of(on, partial.view()), widened(on, out.view())};
}

TEST_F(CudaLinear, IsNearTheCpusAtOddSizes) {
  for (const DType dtype : kDTypes)
    for (const Shape s : {Shape{64, 64}, {130, 64}, {17, 48}, {290, 104}, {33, 7}, {530, 129}, {256, 512}})
      for (const std::int64_t rows : kGpuRows) {
        if (rows > 1000 && s.n > 64) continue;
        SCOPED_TRACE(::testing::Message() << name_of(dtype) << " N " << s.n << " K " << s.k << " rows " << rows);
        const auto x = random_values(rows * s.k, 1, dtype), w = random_values(s.n * s.k, 2, dtype);
        const Products found = linear_on(*gpu(dtype), s, rows, x, w);
        const Products expected = linear_on(*cpu(dtype), s, rows, x, w);
        const double absolute = 1e-6 * static_cast<double>(s.k);
        expect_near(found.exact, expected.exact, 0, absolute);
        expect_near(found.rounded, expected.rounded, one_step(dtype), absolute);
      }
}

TEST_F(CudaLinear, RoundsItsSumsToABfloat16Output) {
  const auto on = gpu(DType::BFloat16);
  const Tensor in = activations(*on, 33, 64, random_values(33 * 64, 1, DType::BFloat16));
  const Tensor weight = on->load_weight(host(random_values(80 * 64, 2, DType::BFloat16), 80, 64));
  const Tensor wide = poisoned(*on, 33, 80), narrow = poisoned_as(*on, DType::BFloat16, 33, 80);
  on->linear(in.view(), weight, wide.view(), Round::None);
  on->linear(in.view(), weight, narrow.view(), Round::None);
  expect_near(widened(*on, narrow.view()), values_of(*on, wide.view()), one_step(DType::BFloat16), 1e-6 * 64);
}

TEST_F(CudaLinear, KeepsNaNAndInfinityInTheirRows) {
  const auto on = gpu(DType::BFloat16);
  auto x = random_values(40 * 64, 8, DType::BFloat16);
  const auto w = random_values(64 * 64, 9, DType::BFloat16);
  const Products clean = linear_on(*on, {64, 64}, 40, x, w);
  x[3 * 64 + 7] = std::nanf("");
  x[20 * 64 + 1] = std::numeric_limits<float>::infinity();
  const Products found = linear_on(*on, {64, 64}, 40, x, w);
  for (std::size_t r = 0; r < 40; ++r)
    if (r == 3 || r == 20) {
      for (std::size_t n = 0; n < 64; ++n) EXPECT_FALSE(std::isfinite(found.rounded[r * 64 + n]));
    } else {
      EXPECT_TRUE(same_bits(&found.rounded[r * 64], &clean.rounded[r * 64], 64)) << "row " << r;
    }
}

}  // namespace
}  // namespace steergrid::testing
