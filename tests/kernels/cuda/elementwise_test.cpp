// Everything between the GEMMs and the attention, against the CPU: the same bits where no sum crosses columns.
#include "tests/kernels/cuda/gpu.h"

namespace steergrid::testing {
namespace {

using CudaElementwise = Gpu;

TEST_F(CudaElementwise, EmbedHasTheCpusBits) {
  for (const DType dtype : kDTypes)
    for (const std::int64_t rows : kGpuRows) {
      const auto table = random_values(300 * 50, 1, dtype);
      std::vector<std::int32_t> ids;
      for (std::int64_t r = 0; r < rows; ++r) ids.push_back(static_cast<std::int32_t>(990 + r * 37 % 320));
      const auto run = [&](Backend& on) {
        const Tensor x = poisoned(on, rows, 50);
        on.embed(ids, on.load_weight(host(table, 300, 50)), 1000, x.view());
        return values_of(on, x.view());
      };
      EXPECT_EQ(run(*gpu(dtype)), run(*cpu(dtype))) << name_of(dtype) << " rows " << rows;
    }
}

struct Normed {
  std::vector<float> x, h;
};

/// Two partial sums and a steering vector for three rows of four.
Normed residual_norm_on(Backend& on, DType residual, std::int64_t rows, std::int64_t d, std::int64_t first = 0,
                        DType partial = DType::Float32) {
  const std::int64_t all = rows + first;
  const auto dtype = on.compute_dtype();
  const Tensor x = tensor_of(on, all, d, random_values(all * d, 1, residual));
  const Tensor a = upload_as(on, partial, all, d, random_values(all * d, 2, partial)),
               b = upload_as(on, partial, all, d, random_values(all * d, 3, partial));
  const Tensor vectors = tensor_of(on, 3, d, random_values(3 * d, 4)), h = poisoned_activations(on, rows, d);
  const Tensor norm = on.load_norm(host(random_values(d, 5, dtype), 1, d));
  std::vector<std::int32_t> vector;
  std::vector<float> coefficient;
  for (std::int64_t r = first; r < all; ++r) {
    vector.push_back(static_cast<std::int32_t>(r % 4) - 1);
    coefficient.push_back(0.5f * static_cast<float>(r % 64) - 2.25f);
  }
  const Matrix partials[] = {a.row_range(first, rows), b.row_range(first, rows)};
  on.residual_norm(x.row_range(first, rows), partials, {vectors.view(), vector, coefficient}, residual, norm, 1e-5f,
                   h.view());
  return {values_of(on, x.row_range(first, rows)), widened(on, h.view())};
}

TEST_F(CudaElementwise, ResidualNormHasTheCpusResidualAndItsNormWithinAStep) {
  for (const DType dtype : kDTypes)
    for (const DType residual : {DType::Float32, dtype})
      for (const std::int64_t rows : kGpuRows)
        for (const std::int64_t d : {std::int64_t{75}, std::int64_t{1000}}) {
          if (rows * d > 1000000) continue;
          SCOPED_TRACE(::testing::Message() << name_of(dtype) << " rows " << rows << " D " << d);
          const Normed found = residual_norm_on(*gpu(dtype), residual, rows, d);
          const Normed expected = residual_norm_on(*cpu(dtype), residual, rows, d);
          EXPECT_EQ(found.x, expected.x);
          expect_near(found.h, expected.h, 2 * one_step(dtype), 1e-7);
        }
}

TEST_F(CudaElementwise, ResidualNormAddsBfloat16PartialsAsTheCpuDoes) {
  const DType narrow = DType::BFloat16;
  const Normed found = residual_norm_on(*gpu(narrow), DType::Float32, 33, 75, 0, narrow);
  const Normed expected = residual_norm_on(*cpu(narrow), DType::Float32, 33, 75, 0, narrow);
  EXPECT_EQ(found.x, expected.x);
  expect_near(found.h, expected.h, 2 * one_step(narrow), 1e-7);
}

TEST_F(CudaElementwise, ResidualNormGivesARowTheSameBitsAmongAnyOthers) {
  const auto on = gpu(DType::BFloat16);
  const Normed all = residual_norm_on(*on, DType::Float32, 130, 515);
  const Normed last = residual_norm_on(*on, DType::Float32, 1, 515, 129);
  EXPECT_TRUE(same_bits(last.x.data(), &all.x[129 * 515], 515));
  EXPECT_TRUE(same_bits(last.h.data(), &all.h[129 * 515], 515));
}

TEST_F(CudaElementwise, ResidualNormWithoutPartialsSteeringOrNormLeavesXAsItIs) {
  const auto on = gpu(DType::BFloat16);
  const auto x = random_values(5 * 20, 1);
  const Tensor xs = tensor_of(*on, 5, 20, x);
  on->residual_norm(xs.view(), {}, {}, DType::Float32, Tensor(), 1e-5f, Matrix());
  EXPECT_EQ(values_of(*on, xs.view()), x);
}

TEST_F(CudaElementwise, RopeHasTheCpusBits) {
  for (const DType dtype : kDTypes)
    for (const int e : {8, 24, 64, 128})
      for (const std::int64_t rows : {1, 33, 127, 129}) {
        const auto table = rope_table(200, e, 10000.0f);
        const auto q = random_values(rows * 3 * e, 1, dtype), k = random_values(rows * e, 2, dtype);
        std::vector<std::int32_t> positions;
        for (std::int64_t r = 0; r < rows; ++r) positions.push_back(static_cast<std::int32_t>((r * 37) % 200));
        const auto run = [&](Backend& on) {
          const Tensor qs = activations(on, rows, 3 * e, q), ks = activations(on, rows, e, k);
          on.rope(qs.view(), ks.view(), positions, tensor_of(on, 200, e, table), e);
          auto both = widened(on, qs.view());
          const auto keys = widened(on, ks.view());
          both.insert(both.end(), keys.begin(), keys.end());
          return both;
        };
        EXPECT_EQ(run(*gpu(dtype)), run(*cpu(dtype))) << name_of(dtype) << " E " << e << " rows " << rows;
      }
}

TEST_F(CudaElementwise, SwigluHasTheCpusBitsAndMayOverwriteItsGate) {
  for (const DType dtype : kDTypes)
    for (const std::int64_t rows : kGpuRows) {
      const auto gate = random_values(rows * 77, 1, dtype, 6.0f), up = random_values(rows * 77, 2, dtype);
      const auto run = [&](Backend& on) {
        const Tensor g = activations(on, rows, 77, gate), u = activations(on, rows, 77, up);
        const Tensor out = poisoned_activations(on, rows, 77);
        on.swiglu(g.view(), u.view(), out.view());
        on.swiglu(g.view(), u.view(), g.view());
        EXPECT_EQ(widened(on, g.view()), widened(on, out.view()));
        const Tensor last = poisoned_activations(on, 1, 77);  // a row at an odd address
        on.swiglu(activations(on, rows, 77, gate).row_range(rows - 1, 1), u.row_range(rows - 1, 1), last.view());
        EXPECT_EQ(widened(on, last.view()), widened(on, out.row_range(rows - 1, 1)));
        return widened(on, out.view());
      };
      EXPECT_EQ(run(*gpu(dtype)), run(*cpu(dtype))) << name_of(dtype) << " rows " << rows;
    }
}

TEST_F(CudaElementwise, GatherRowsCopiesWithinAnAllocationInEveryWidth) {
  for (const DType dtype : kDTypes)
    for (const std::int64_t cols : {1, 2, 9, 64}) {
      const auto on = gpu(dtype);
      const auto x = random_values(4200 * cols, 1, dtype);
      const Tensor all = upload_as(*on, dtype, 4200, cols, x);
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < 4095; ++i) rows.push_back(i * 31 % 100);
      on->gather_rows(all.view(), rows, all.row_range(100, 4095));
      const auto found = widened(*on, all.view());
      for (std::int64_t i = 0; i < 4095; ++i)
        ASSERT_TRUE(same_bits(&found[(100 + i) * cols], &x[rows[static_cast<std::size_t>(i)] * cols], cols)) << i;
      ASSERT_TRUE(same_bits(&found[4195 * cols], &x[4195 * cols], 5 * cols));
    }
}

TEST_F(CudaElementwise, DifferenceSumsHaveTheCpusBitsAndNormsWithinRounding) {
  for (const std::int64_t d : {1, 63, 515, 4096}) {
    const auto x = random_values(80 * d, 1);
    std::vector<std::int64_t> a, b;
    for (std::int64_t i = 0; i < 129; ++i) a.push_back(i * 7 % 80), b.push_back((i * 11 + 3) % 80);
    const auto run = [&](Backend& on, std::vector<double>& sums) {
      double norms = 1.0;
      on.difference_sums(tensor_of(on, 80, d, x).view(), a, b, sums, norms);
      return norms;
    };
    std::vector<double> found(static_cast<std::size_t>(d), 0.5), expected = found;
    const double norms = run(*gpu(DType::BFloat16), found);
    EXPECT_NEAR(norms, run(*cpu(DType::BFloat16), expected), 1e-12 * norms);
    EXPECT_EQ(found, expected);
  }
}

TEST_F(CudaElementwise, UsesManyIndexArraysWithoutMixingThem) {  // more calls than the staging ring has slots
  const auto on = gpu(DType::Float32);
  const auto x = random_values(100 * 4, 1);
  const Tensor from = tensor_of(*on, 100, 4, x), to = poisoned(*on, 100 * 60, 4);
  for (std::int64_t i = 0; i < 60; ++i) {
    std::vector<std::int64_t> rows;
    for (std::int64_t r = 0; r < 100; ++r) rows.push_back((r * 3 + i) % 100);
    on->gather_rows(from.view(), rows, to.row_range(i * 100, 100));
  }
  const auto found = values_of(*on, to.view());
  for (std::int64_t i = 0; i < 6000; ++i)
    ASSERT_TRUE(same_bits(&found[i * 4], &x[(i % 100 * 3 + i / 100) % 100 * 4], 4)) << i;
}

}  // namespace
}  // namespace steergrid::testing
