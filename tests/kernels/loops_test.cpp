// The vector loops beneath the CPU backend: the exponential's accuracy, the roundings, and the same bits on every
// instruction set that this processor has.
#include "kernels/cpu/vector_loops.h"
#include "tests/kernels/arrays.h"

namespace steergrid::testing {
namespace {

std::vector<const VectorLoops*> loops_of_this_processor() {
  std::vector<const VectorLoops*> loops{&kLoopsBaseline};
  if (__builtin_cpu_supports("avx2")) loops.push_back(&kLoopsAvx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    loops.push_back(&kLoopsAvx512);
  return loops;
}

/// Every `step`-th float32 bit pattern, all special cases among them.
std::vector<float> float_patterns(std::uint32_t step) {
  std::vector<float> values{0.0f, -0.0f, 65504.0f, 65519.99f, 65520.0f, 6.0e-8f, 2.98e-8f, 2.9802322e-8f, 6.1e-5f};
  for (std::uint64_t u = 0; u <= 0xffffffffu; u += step)
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(u)));
  return values;
}

TEST(Exponential, IsWithinTwoUnitsInTheLastPlace) {
  std::vector<float> x;
  for (float v = -104.5f; v < 89.5f; v += 1.7e-4f) x.push_back(v);
  std::vector<float> y(x.size());
  vector_loops().exponential(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    if (exact > std::numeric_limits<float>::max()) {
      ASSERT_TRUE(std::isinf(y[i]) || y[i] >= 3.402823e38f) << x[i];
      continue;
    }
    const double unit = std::max(std::ldexp(1.0, std::ilogb(exact) - 23), 0x1p-149);
    worst = std::max(worst, std::abs(y[i] - exact) / unit);
  }
  EXPECT_LE(worst, 2.0);
  RecordProperty("worst_ulp", std::to_string(worst));
}

TEST(Exponential, EndsInZeroInfinityAndNaN) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x{-infinity, infinity, std::nanf(""), 0.0f, -200.0f, 200.0f};
  std::vector<float> y(x.size());
  vector_loops().exponential(x.data(), y.data(), 6);
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_EQ(y[1], infinity);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(y[3], 1.0f);
  EXPECT_EQ(y[4], 0.0f);
  EXPECT_EQ(y[5], infinity);
}

TEST(Rounding, AgreesWithTheScalarConversions) {
  const auto x = float_patterns(4099);
  const auto n = static_cast<std::int64_t>(x.size());
  for (const auto& [to, dtype] :
       {std::pair{Rounding::Float16, DType::Float16}, {Rounding::BFloat16, DType::BFloat16}}) {
    auto y = x;
    vector_loops().round(x.data(), y.data(), n, to);
    std::vector<std::uint16_t> halves(x.size());
    vector_loops().to_bfloat16(x.data(), halves.data(), n);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float expected = round_to(dtype, x[i]);
      if (std::isnan(x[i])) {
        ASSERT_TRUE(std::isnan(y[i]) && std::isnan(bfloat16_to_float(halves[i])));
        continue;
      }
      ASSERT_EQ(std::bit_cast<std::uint32_t>(y[i]), std::bit_cast<std::uint32_t>(expected)) << x[i];
      ASSERT_EQ(halves[i], float_to_bfloat16(x[i])) << x[i];
    }
  }
}

TEST(VectorLoops, GiveTheSameBitsOnEveryInstructionSet) {
  constexpr std::int64_t n = 1003;
  const auto a = random_values(n, 1, DType::Float32, 5.0f), b = random_values(n, 2);
  const auto loops = loops_of_this_processor();
  for (const Rounding to : {Rounding::None, Rounding::Float16, Rounding::BFloat16}) {
    std::vector<float> expected;
    double expected_sum = 0;
    for (const VectorLoops* l : loops) {
      std::vector<float> results, out(n);
      const auto keep = [&] { results.insert(results.end(), out.begin(), out.end()); };
      l->exponential(a.data(), out.data(), n), keep();
      l->swiglu(a.data(), b.data(), out.data(), n, to), keep();
      l->rms_norm(a.data(), b.data(), 1e-5f, out.data(), n, to), keep();
      out = a;
      const float* partials[] = {b.data(), a.data()};
      l->add(out.data(), partials, 2, n, to), keep();
      l->steer(out.data(), b.data(), 0.3f, n, to), keep();
      l->rope(out.data(), 5, 200, a.data(), b.data(), to), keep();
      const double sum = l->log_sum_exp(a.data(), n).sum;
      if (l == loops.front()) expected = results, expected_sum = sum;
      EXPECT_TRUE(same_bits(results.data(), expected.data(), static_cast<std::int64_t>(results.size()))) << l->name;
      EXPECT_EQ(sum, expected_sum) << l->name;
    }
  }
}

TEST(VectorLoops, AttendWithTheSameBitsOnEveryInstructionSet) {
  constexpr int kSize = 40, kPadded = 48, kKeys = 100, kRows = 7;  // 7 rows: four, two and one at a time
  const auto q = random_values(kRows * kSize, 1), values = random_values(112 * kPadded, 3);
  const auto tiles = random_values(112 * kSize, 2);
  std::vector<float> expected;
  for (const VectorLoops* l : loops_of_this_processor()) {
    std::vector<float> out(kRows * kSize), scores(kQueryRows * 112);
    AttentionRows a = {};
    for (int r = 0; r < kRows; ++r) {
      a.q[r] = q.data() + r * kSize;
      a.out[r] = out.data() + r * kSize;
      a.last_key[r] = kKeys - kRows + r;
    }
    a.rows = kRows;
    a.head_size = kSize;
    a.scale = 0.16f;
    a.own_tiles = tiles.data();
    a.own_values = values.data();
    a.scores = scores.data();
    a.score_stride = 112;
    l->attention_rows(a);
    if (expected.empty()) expected = out;
    EXPECT_TRUE(same_bits(out.data(), expected.data(), kRows * kSize)) << l->name;
  }
}

TEST(LogSumExp, MatchesTheLibrarysExponential) {
  constexpr std::int64_t n = 32000;
  const auto logits = random_values(n, 1, DType::Float32, 4.0f);
  const LogitSummary s = vector_loops().log_sum_exp(logits.data(), n);
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - s.shift);
  EXPECT_NEAR(s.sum / sum, 1.0, 1e-14);
}

}  // namespace
}  // namespace steergrid::testing
