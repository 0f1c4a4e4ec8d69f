// Everything between the GEMMs and the attention, against float64 or against the roundings the contract names.
#include "tests/kernels/arrays.h"

namespace steergrid::testing {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(Embed, ReadsRowsOfThisRanksSliceAndZerosForOthers) {
  for (const DType dtype : kDTypes)
    for (const std::int64_t vocabulary : {40, 300, 600}) {
      const auto backend = make_cpu_backend(dtype, 2);
      const auto table = random_values(vocabulary * 50, 1, dtype);
      const Tensor weight = backend->load_weight(host(table, vocabulary, 50));
      std::vector<std::int32_t> ids{0, 999, 1000};
      for (std::int32_t i = 0; i < vocabulary + 30; i += 3) ids.push_back(1000 + i);
      const Tensor x = poisoned(*backend, static_cast<std::int64_t>(ids.size()), 50);
      backend->embed(ids, weight, 1000, x.view());
      const auto found = values_of(*backend, x.view());
      for (std::size_t r = 0; r < ids.size(); ++r)
        for (std::size_t c = 0; c < 50; ++c) {
          const std::int64_t row = ids[r] - 1000;
          const bool mine = row >= 0 && row < vocabulary;
          ASSERT_EQ(found[r * 50 + c], mine ? table[static_cast<std::size_t>(row) * 50 + c] : 0.0f) << ids[r];
        }
    }
}

TEST(ResidualNorm, AddsPartialsInOrderSteersAndRoundsEachStep) {
  for (const DType dtype : kDTypes)
    for (const DType residual : {DType::Float32, dtype})
      for (const std::int64_t rows : kOddRows) {
        constexpr std::int64_t d = 75;
        const auto backend = make_cpu_backend(dtype, 2);
        const auto x = random_values(rows * d, 1, residual), p0 = random_values(rows * d, 2),
                   p1 = random_values(rows * d, 3), vectors = random_values(3 * d, 4), w = random_values(d, 5);
        std::vector<std::int32_t> vector;
        std::vector<float> coefficient;
        for (std::int64_t r = 0; r < rows; ++r) {
          vector.push_back(static_cast<std::int32_t>(r % 4) - 1);
          coefficient.push_back(0.5f * static_cast<float>(r) - 2.25f);
        }
        const Tensor xs = tensor_of(*backend, rows, d, x), h = poisoned(*backend, rows, d);
        const Tensor a = tensor_of(*backend, rows, d, p0), b = tensor_of(*backend, rows, d, p1);
        const Tensor v = tensor_of(*backend, 3, d, vectors), norm = backend->load_norm(host(w, 1, d));
        const Matrix partials[] = {a.view(), b.view()};
        backend->residual_norm(xs.view(), partials, {v.view(), vector, coefficient}, residual, norm, 1e-5f, h.view());
        const auto found = values_of(*backend, xs.view()), normed = values_of(*backend, h.view());
        for (std::int64_t r = 0; r < rows; ++r) {
          double squares = 0;
          for (std::int64_t c = 0; c < d; ++c) {
            const auto at = static_cast<std::size_t>(r * d + c);
            float expected = round_to(residual, (x[at] + p0[at]) + p1[at]);
            if (vector[r] >= 0) {
              const float step = round_to(residual, coefficient[r] * vectors[vector[r] * d + c]);
              expected = round_to(residual, expected + step);
            }
            ASSERT_EQ(found[at], expected);
            squares += static_cast<double>(expected) * expected;
          }
          for (std::int64_t c = 0; c < d; ++c) {
            const auto at = static_cast<std::size_t>(r * d + c);
            const double expected = found[at] / std::sqrt(squares / d + 1e-5) * round_to(dtype, w[c]);
            ASSERT_NEAR(normed[at], expected, 2 * rounding_error(dtype) * std::abs(expected) + 1e-7);
            ASSERT_EQ(normed[at], round_to(dtype, normed[at]));
          }
        }
      }
}

TEST(ResidualNorm, AddsBfloat16PartialsByTheirValues) {
  const auto backend = make_cpu_backend(DType::BFloat16, 2);
  const auto x = random_values(33 * 75, 1), a = random_values(33 * 75, 2, DType::BFloat16),
             b = random_values(33 * 75, 3, DType::BFloat16);
  const auto sum_of = [&](DType dtype) {
    const Tensor xs = tensor_of(*backend, 33, 75, x);
    const Tensor as = upload_as(*backend, dtype, 33, 75, a), bs = upload_as(*backend, dtype, 33, 75, b);
    const Matrix partials[] = {as.view(), bs.view()};
    backend->residual_norm(xs.view(), partials, {}, DType::Float32, Tensor(), 1e-5f, Matrix());
    return values_of(*backend, xs.view());
  };
  EXPECT_EQ(sum_of(DType::BFloat16), sum_of(DType::Float32));
}

TEST(ResidualNorm, WithoutPartialsSteeringOrNormLeavesXAsItIs) {
  const auto backend = make_cpu_backend(DType::BFloat16, 2);
  const auto x = random_values(5 * 20, 1);
  const Tensor xs = tensor_of(*backend, 5, 20, x);
  backend->residual_norm(xs.view(), {}, {}, DType::Float32, Tensor(), 1e-5f, Matrix());
  EXPECT_EQ(values_of(*backend, xs.view()), x);
}

TEST(ResidualNorm, GivesARowTheSameBitsAmongAnyOthers) {
  const auto backend = make_cpu_backend(DType::BFloat16, 2), single = make_cpu_backend(DType::BFloat16, 1);
  const Tensor x = tensor_of(*backend, 33, 1000, random_values(33 * 1000, 1)), h = poisoned(*backend, 33, 1000);
  const Tensor norm = backend->load_norm(host(random_values(1000, 2), 1, 1000));
  backend->residual_norm(x.view(), {}, {}, DType::Float32, norm, 1e-6f, h.view());
  for (std::int64_t r = 0; r < 33; ++r) {
    const Tensor one = poisoned(*single, 1, 1000);
    single->residual_norm(x.row_range(r, 1), {}, {}, DType::Float32, norm, 1e-6f, one.view());
    ASSERT_TRUE(same_bits(one.view().as<float>(), h.view().as<float>() + r * 1000, 1000)) << r;
  }
}

TEST(Rope, RotatesHalvesByThePositionsAngles) {
  for (const DType dtype : kDTypes)
    for (const int e : {8, 24, 64, 128})
      for (const std::int64_t rows : kOddRows) {
        const auto backend = make_cpu_backend(dtype, 2);
        const auto table = rope_table(200, e, 10000.0f);
        const Tensor cos_sin = tensor_of(*backend, 200, e, table);
        const auto q = random_values(rows * 3 * e, 1, dtype), k = random_values(rows * e, 2, dtype);
        const Tensor qs = tensor_of(*backend, rows, 3 * e, q), ks = tensor_of(*backend, rows, e, k);
        std::vector<std::int32_t> positions;
        for (std::int64_t r = 0; r < rows; ++r) positions.push_back(static_cast<std::int32_t>((r * 37) % 200));
        backend->rope(qs.view(), ks.view(), positions, cos_sin, e);
        const auto rotated = [&](const std::vector<float>& x, std::int64_t heads, std::int64_t r, std::int64_t head,
                                 int i) {
          const double angle = positions[r] * std::pow(10000.0, -2.0 * (i % (e / 2)) / e);
          const auto at = static_cast<std::size_t>((r * heads + head) * e + i % (e / 2));
          const double a = x[at], b = x[at + e / 2];
          return i < e / 2 ? a * std::cos(angle) - b * std::sin(angle) : b * std::cos(angle) + a * std::sin(angle);
        };
        const auto found_q = values_of(*backend, qs.view()), found_k = values_of(*backend, ks.view());
        for (std::int64_t r = 0; r < rows; ++r)
          for (int i = 0; i < e; ++i) {
            const double expected = rotated(q, 3, r, 2, i);
            ASSERT_NEAR(found_q[(r * 3 + 2) * e + i], expected, rounding_error(dtype) * std::abs(expected) + 1e-4);
            const double expected_k = rotated(k, 1, r, 0, i);
            ASSERT_NEAR(found_k[r * e + i], expected_k, rounding_error(dtype) * std::abs(expected_k) + 1e-4);
          }
      }
}

TEST(RopeTable, HoldsCosinesThenSinesOfFloat32Angles) {
  const auto table = rope_table(4096, 128, 10000.0f);
  ASSERT_EQ(table.size(), 4096u * 128u);
  EXPECT_EQ(table[0], 1.0f);
  EXPECT_EQ(table[64], 0.0f);
  EXPECT_EQ(table[4095 * 128], static_cast<float>(std::cos(4095.0)));
  EXPECT_EQ(table[4095 * 128 + 64], static_cast<float>(std::sin(4095.0)));
}

TEST(Swiglu, MatchesFloat64AndMayOverwriteItsGate) {
  for (const DType dtype : kDTypes)
    for (const std::int64_t rows : kOddRows) {
      const auto backend = make_cpu_backend(dtype, 2);
      const auto gate = random_values(rows * 77, 1, dtype, 6.0f), up = random_values(rows * 77, 2, dtype);
      const Tensor g = tensor_of(*backend, rows, 77, gate), u = tensor_of(*backend, rows, 77, up);
      const Tensor out = poisoned(*backend, rows, 77);
      backend->swiglu(g.view(), u.view(), out.view());
      backend->swiglu(g.view(), u.view(), g.view());
      const auto found = values_of(*backend, out.view());
      EXPECT_EQ(values_of(*backend, g.view()), found);
      for (std::size_t i = 0; i < gate.size(); ++i) {
        const double expected = gate[i] / (1 + std::exp(-static_cast<double>(gate[i]))) * up[i];
        ASSERT_NEAR(found[i], expected, 2 * rounding_error(dtype) * std::abs(expected) + 1e-6);
        ASSERT_EQ(found[i], round_to(dtype, found[i]));
      }
    }
}

TEST(GatherRows, CopiesTheChosenRows) {
  const auto backend = make_cpu_backend(DType::Float32, 2);
  const auto x = random_values(50 * 9, 1);
  const Tensor from = tensor_of(*backend, 50, 9, x), to = poisoned(*backend, 4, 9);
  const std::vector<std::int64_t> rows{49, 0, 7, 7};
  backend->gather_rows(from.view(), rows, to.view());
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_TRUE(same_bits(to.view().as<float>() + i * 9, &x[static_cast<std::size_t>(rows[i]) * 9], 9));
}

TEST(DifferenceSums, AddsFloat32DifferencesInFloat64AndBothRowsNorms) {
  const auto backend = make_cpu_backend(DType::Float32, 2);
  constexpr std::int64_t d = 515;
  const auto x = random_values(20 * d, 1);
  const Tensor xs = tensor_of(*backend, 20, d, x);
  const std::vector<std::int64_t> a{0, 5, 19}, b{1, 0, 18};
  std::vector<double> sums(d, 0.5), expected(d, 0.5);
  double norm_sum = 1.0, expected_norms = 1.0;
  backend->difference_sums(xs.view(), a, b, sums, norm_sum);
  for (std::size_t i = 0; i < a.size(); ++i) {
    double left = 0, right = 0;
    for (std::int64_t c = 0; c < d; ++c) {
      const float u = x[a[i] * d + c], v = x[b[i] * d + c];
      expected[c] += u - v;
      left += static_cast<double>(u) * u;
      right += static_cast<double>(v) * v;
    }
    expected_norms += std::sqrt(left) + std::sqrt(right);
  }
  EXPECT_EQ(sums, expected);
  EXPECT_NEAR(norm_sum, expected_norms, 1e-9);
}

TEST(Elementwise, CarriesNaNAndInfinityThrough) {
  const auto backend = make_cpu_backend(DType::Float16, 1);
  const Tensor gate = tensor_of(*backend, 1, 4, {kNaN, 1.0f, std::numeric_limits<float>::infinity(), 1e30f});
  const Tensor up = tensor_of(*backend, 1, 4, {1.0f, kNaN, 1.0f, 1.0f}), out = poisoned(*backend, 1, 4);
  backend->swiglu(gate.view(), up.view(), out.view());
  const auto y = values_of(*backend, out.view());
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  EXPECT_TRUE(std::isinf(y[2]) && std::isinf(y[3]));  // 1e30 is beyond float16
  const Tensor x = tensor_of(*backend, 1, 4, {1.0f, kNaN, 2.0f, 3.0f}), h = poisoned(*backend, 1, 4);
  const Tensor norm = backend->load_norm(host({1, 1, 1, 1}, 1, 4));
  backend->residual_norm(x.view(), {}, {}, DType::Float32, norm, 1e-5f, h.view());
  for (const float v : values_of(*backend, h.view())) EXPECT_TRUE(std::isnan(v));
}

}  // namespace
}  // namespace steergrid::testing
