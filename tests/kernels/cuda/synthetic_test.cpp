// Synthetic weights made on the GPU have the CPU's bits.
#include "tests/kernels/cuda/gpu.h"

namespace steergrid::testing {
namespace {

using SyntheticOnGpu = Gpu;

TEST_F(SyntheticOnGpu, WeightsHaveTheBitsOfTheCpu) {
  const SyntheticPart parts[] = {{1, 2, 13, 0, 0, 3, 16},
                                 {~0ull, ~0ull, 14, 250, 0, 270, 33},
                                 {7, 1ull << 63, 17, 5, 7, 2, 100},
                                 {0, 0, 8, 70000, 31, 1, 1},
                                 {3, 4, 13, 0, 4095, 4095, 129}};
  for (const DType compute : kDTypes)
    for (const SyntheticPart& part : parts) {
      const auto rows_on = [&](Backend& on) {
        std::vector<std::int32_t> ids;
        for (std::int64_t r = 0; r < part.rows; ++r) ids.push_back(static_cast<std::int32_t>(r));
        const Tensor table = on.make_weight(part), x = poisoned(on, part.rows, part.cols);
        on.embed(ids, table, 0, x.view());
        return values_of(on, x.view());
      };
      const auto a = gpu(compute), b = cpu(compute);
      EXPECT_EQ(rows_on(*a), rows_on(*b)) << name_of(compute) << ", " << part.rows << " x " << part.cols;
    }
}

}  // namespace
}  // namespace steergrid::testing
