// The inner loops themselves (vector_loops.h says what they are), written on `Floats`. Included by loops_baseline.cpp,
// loops_avx2.cpp and loops_avx512.cpp after they defined `Native`; everything is local to the including file.
#pragma once

#include "kernels/cpu/attention_body.h"
#include "kernels/cpu/lanes.h"

namespace steergrid {
namespace {

/// Calls f.template operator()<rounding>() for the rounding asked for.
template <class F>
STEERGRID_INLINE void with_rounding(Rounding to, F f) {
  switch (to) {
    case Rounding::None: return f.template operator()<Rounding::None>();
    case Rounding::Float16: return f.template operator()<Rounding::Float16>();
    case Rounding::BFloat16: return f.template operator()<Rounding::BFloat16>();
  }
}

void round_loop(const float* x, float* out, std::int64_t n, Rounding to) {
  with_rounding(to, [=]<Rounding r>() {
    for (std::int64_t i = 0; i < n; i += kLanes) store(out + i, rounded<r>(load(x + i, n - i)), n - i);
  });
}

void to_bfloat16_loop(const float* x, std::uint16_t* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {  // plain: the compiler narrows better than generic vectors can
    const std::uint32_t u = __builtin_bit_cast(std::uint32_t, x[i]);
    const std::uint32_t rounded_up = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const std::uint32_t quiet_nan = (u >> 16) | 0x0040u;
    out[i] = static_cast<std::uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? quiet_nan : rounded_up);
  }
}

void exponential_loop(const float* x, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLanes) store(out + i, exponential(load(x + i, n - i)), n - i);
}

void swiglu_loop(const float* gate, const float* up, float* out, std::int64_t n, Rounding to) {
  with_rounding(to, [=]<Rounding r>() {
    for (std::int64_t i = 0; i < n; i += kLanes) {
      const Floats g = load(gate + i, n - i);
      const Floats silu = rounded<r>(g / (exponential(zeros() - g) + 1.0f));
      store(out + i, rounded<r>(silu * load(up + i, n - i)), n - i);
    }
  });
}

void add_loop(float* x, const float* const* partials, std::int64_t n_partials, std::int64_t n, Rounding to) {
  with_rounding(to, [=]<Rounding r>() {
    for (std::int64_t i = 0; i < n; i += kLanes) {
      Floats sum = load(x + i, n - i);
      for (std::int64_t p = 0; p < n_partials; ++p) sum = sum + load(partials[p] + i, n - i);
      store(x + i, rounded<r>(sum), n - i);
    }
  });
}

void steer_loop(float* x, const float* vector, float coefficient, std::int64_t n, Rounding to) {
  with_rounding(to, [=]<Rounding r>() {
    for (std::int64_t i = 0; i < n; i += kLanes) {
      const Floats step = rounded<r>(load(vector + i, n - i) * coefficient);
      store(x + i, rounded<r>(load(x + i, n - i) + step), n - i);
    }
  });
}

void rms_norm_loop(const float* x, const float* weight, float epsilon, float* h, std::int64_t n, Rounding to) {
  double squares[kLanes] = {};  // one float64 sum a lane
  for (std::int64_t i = 0; i + kLanes <= n; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const double value = x[i + lane];
      squares[lane] += value * value;
    }
  for (std::int64_t i = n - n % kLanes; i < n; ++i) squares[i % kLanes] += static_cast<double>(x[i]) * x[i];
  double sum = 0;
  for (const double s : squares) sum += s;
  const double mean = sum / static_cast<double>(n);
  const auto inverse = static_cast<float>(1.0 / __builtin_sqrt(mean + static_cast<double>(epsilon)));
  with_rounding(to, [=]<Rounding r>() {
    for (std::int64_t i = 0; i < n; i += kLanes) {
      const Floats normalised = rounded<r>(load(x + i, n - i) * inverse);
      store(h + i, rounded<r>(normalised * load(weight + i, n - i)), n - i);
    }
  });
}

void rope_loop(float* x, std::int64_t heads, int head_size, const float* cosines, const float* sines, Rounding to) {
  const std::int64_t half = head_size / 2;
  with_rounding(to, [=]<Rounding r>() {
    for (std::int64_t head = 0; head < heads; ++head) {
      float* low = x + head * head_size;
      float* high = low + half;
      for (std::int64_t i = 0; i < half; i += kLanes) {
        const std::int64_t n = half - i;
        const Floats a = load(low + i, n), b = load(high + i, n), c = load(cosines + i, n), s = load(sines + i, n);
        store(low + i, rounded<r>(a * c - b * s), n);
        store(high + i, rounded<r>(b * c + a * s), n);
      }
    }
  });
}

/// e^x in float64 for x <= 0 or so, within a few units in the last place: Taylor's series of degree 13 on |r| <=
/// ln(2)/2.
STEERGRID_INLINE double exponential64(double x) {
  x = x < -746.0 ? -746.0 : x;
  x = x > 710.0 ? 710.0 : x;
  constexpr double kToInteger = 6755399441055744.0;  // 1.5 * 2^52
  const double shifted = x * 1.4426950408889634074 + kToInteger;
  const double n = shifted - kToInteger;
  const double r = (x - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6;
  double y = 1.0 / 6227020800.0;
  y = y * r + 1.0 / 479001600.0;
  y = y * r + 1.0 / 39916800.0;
  y = y * r + 1.0 / 3628800.0;
  y = y * r + 1.0 / 362880.0;
  y = y * r + 1.0 / 40320.0;
  y = y * r + 1.0 / 5040.0;
  y = y * r + 1.0 / 720.0;
  y = y * r + 1.0 / 120.0;
  y = y * r + 1.0 / 24.0;
  y = y * r + 1.0 / 6.0;
  y = y * r + 0.5;
  y = (y * (r * r) + r) + 1.0;
  const std::uint64_t biased = __builtin_bit_cast(std::uint64_t, shifted) - 0x4338000000000000u + 2046u;
  const std::uint64_t half = biased >> 1;
  return (y * __builtin_bit_cast(double, half << 52)) * __builtin_bit_cast(double, (biased - half) << 52);
}

LogitSummary log_sum_exp_loop(const float* logits, std::int64_t n) {
  const float infinity = __builtin_inff();
  Floats best = splat(-infinity);
  for (std::int64_t i = 0; i + kLanes <= n; i += kLanes) {
    const Floats value = load(logits + i);
    best = where_less(best, value, value, best);
  }
  float top = largest_of(best);
  for (std::int64_t i = n - n % kLanes; i < n; ++i) top = top < logits[i] ? logits[i] : top;
  LogitSummary summary;
  for (std::int64_t i = 0; i < n && summary.top < 0; ++i)
    if (logits[i] == top) summary.top = i;
  summary.top_logit = summary.top < 0 ? __builtin_nanf("") : logits[summary.top];
  // An infinite top would make inf - inf of a sum that is plainly infinite (or, all -inf, zero).
  summary.shift = __builtin_isfinite(top) ? static_cast<double>(top) : 0.0;
  const double shift = summary.shift;
  double sums[kLanes] = {};  // one sum a lane, each in ascending order
  for (std::int64_t i = 0; i + kLanes <= n; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane)
      sums[lane] += exponential64(static_cast<double>(logits[i + lane]) - shift);
  for (std::int64_t i = n - n % kLanes; i < n; ++i)
    sums[i % kLanes] += exponential64(static_cast<double>(logits[i]) - shift);
  for (const double sum : sums) summary.sum += sum;
  return summary;
}

constexpr VectorLoops loops_named(const char* name) {
  return {name,       round_loop,    to_bfloat16_loop, exponential_loop, swiglu_loop,     add_loop,
          steer_loop, rms_norm_loop, rope_loop,        attention_loop,   log_sum_exp_loop};
}

}  // namespace
}  // namespace steergrid
