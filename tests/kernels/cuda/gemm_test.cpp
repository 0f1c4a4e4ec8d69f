// What cuBLASLt must keep, on a GPU alone: rows whose bits do not depend on how many share the call, over the shapes of
// Llama-2 7B and slices of 70B under tensor parallelism, and float32 products that are float32.
#include <fmt/format.h>

#include "tests/kernels/cuda/gpu.h"

namespace steergrid::testing {
namespace {

using CudaGemm = Gpu;

struct Shape {
  std::int64_t n, k;
};

/// Cheap values for large weights: multiples of 2^-7 in (-1, 1), which every compute type holds.
std::vector<float> plain_values(std::int64_t n, std::uint32_t seed) {
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& v : values) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(static_cast<int>(seed >> 24) - 128) * 0x1p-7f;
  }
  return values;
}

class CudaRowsOfLinear : public Gpu, public ::testing::WithParamInterface<Shape> {};

TEST_P(CudaRowsOfLinear, HaveTheSameBitsForEveryRowCountAndPlace) {
  const auto [n, k] = GetParam();
  constexpr std::int64_t kMost = 1025;
  const auto values = plain_values(kMost * k, 4), w = plain_values(n * k, 5);
  for (const DType dtype : kDTypes) {
    const auto on = gpu(dtype);
    const Tensor weight = on->load_weight(host(w, n, k)), x = activations(*on, kMost, k, values);
    for (const Round round : {Round::None, Round::ToCompute}) {
      const DType out = round == Round::None ? DType::Float32 : dtype;
      const Tensor all = poisoned_as(*on, out, kMost, n), some = poisoned_as(*on, out, kMost, n);
      on->linear(x.view(), weight, all.view(), round);
      const auto expected = widened(*on, all.view());
      for (const std::int64_t rows : {1, 2, 3, 7, 8, 16, 33, 64, 127, 128, 129, 255, 256, 1000, 1024})
        for (const std::int64_t first : {std::int64_t{0}, kMost - rows}) {
          on->linear(x.row_range(first, rows), weight, some.row_range(0, rows), round);
          const auto found = widened(*on, some.row_range(0, rows));
          ASSERT_TRUE(same_bits(found.data(), &expected[static_cast<std::size_t>(first * n)], rows * n))
              << name_of(dtype) << " rows " << rows << " from " << first;
        }
    }
  }
}

/// As many rows as a pass takes through a block, in the types that models of this size have.
class CudaRowsOfAChunk : public CudaRowsOfLinear {};

TEST_P(CudaRowsOfAChunk, HaveTheBitsOfFewerRows) {
  const auto [n, k] = GetParam();
  const auto on = gpu(DType::BFloat16);
  const Tensor weight = on->load_weight(host(plain_values(n * k, 5), n, k)),
               x = activations(*on, kGpuChunkRows, k, plain_values(kGpuChunkRows * k, 4));
  const Tensor all = poisoned_as(*on, DType::BFloat16, kGpuChunkRows, n),
               some = poisoned_as(*on, DType::BFloat16, kGpuChunkRows, n);
  on->linear(x.view(), weight, all.view(), Round::ToCompute);
  const auto expected = widened(*on, all.view());
  for (const std::int64_t rows : {1, 1344, 8191}) {
    on->linear(x.row_range(kGpuChunkRows - rows, rows), weight, some.row_range(0, rows), Round::ToCompute);
    const auto found = widened(*on, some.row_range(0, rows));
    ASSERT_TRUE(same_bits(found.data(), &expected[static_cast<std::size_t>((kGpuChunkRows - rows) * n)], rows * n))
        << rows << " rows";
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, CudaRowsOfAChunk,
                         ::testing::Values(Shape{4096, 4096}, Shape{4096, 11008}, Shape{13824, 5120}),
                         [](const auto& shape) { return fmt::format("N{}K{}", shape.param.n, shape.param.k); });

// 7B: q/k/v/o, gate/up, down, head; 13B: the same; 70B: k/v, and slices of q, gate, down at 2, 4, 8 ranks; a small
// model's.
INSTANTIATE_TEST_SUITE_P(Shapes, CudaRowsOfLinear,
                         ::testing::Values(Shape{4096, 4096}, Shape{11008, 4096}, Shape{4096, 11008},
                                           Shape{32000, 4096}, Shape{5120, 5120}, Shape{13824, 5120},
                                           Shape{5120, 13824}, Shape{1024, 8192}, Shape{128, 8192}, Shape{4096, 8192},
                                           Shape{7168, 8192}, Shape{3584, 8192}, Shape{8192, 3584}, Shape{8192, 1024},
                                           Shape{64, 64}, Shape{257, 104}, Shape{33, 7}),
                         [](const auto& shape) { return fmt::format("N{}K{}", shape.param.n, shape.param.k); });

TEST_F(CudaGemm, KeepsFloat32ProductsOutOfTf32) {
  // 1 + 2^-12 is not a TF32 number: it would become 1.
  const std::vector<float> x(64, 1.0f + 0x1p-12f), w(64 * 64, 1.0f);
  const auto on = gpu(DType::Float32);
  const Tensor weight = on->load_weight(host(w, 64, 64)), y64 = poisoned(*on, 1, 64);
  on->linear(tensor_of(*on, 1, 64, x).view(), weight, y64.view(), Round::None);
  for (const float y : values_of(*on, y64.view())) EXPECT_EQ(y, 64.0f + 64 * 0x1p-12f);
}

}  // namespace
}  // namespace steergrid::testing
