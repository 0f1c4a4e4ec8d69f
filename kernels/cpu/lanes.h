// Sixteen float32 lanes, on whatever vector the including file was compiled for: it defines `Native` (a GCC vector of
// floats) first. Included by loops_*.cpp only, through loops_body.h; all names are local to the including file.
//
// Operations are lane by lane and exactly rounded, so the width of `Native` never shows in a result.
#pragma once

#include "kernels/cpu/vector_loops.h"

#define STEERGRID_INLINE __attribute__((always_inline)) inline

namespace steergrid {
namespace {

constexpr int kLanes = 16;
constexpr int kNativeLanes = static_cast<int>(sizeof(Native) / sizeof(float));
constexpr int kParts = kLanes / kNativeLanes;

typedef std::uint32_t NativeBits __attribute__((vector_size(sizeof(Native))));
typedef float NativeUnaligned __attribute__((vector_size(sizeof(Native)), aligned(4), may_alias));

struct Floats {
  Native part[kParts];
};
struct Bits {
  NativeBits part[kParts];
};

// One definition for each elementwise operation: `result.part[p] = expression` over the parts.
#define STEERGRID_LANES(Type, expression)                         \
  Type result;                                                    \
  for (int p = 0; p < kParts; ++p) result.part[p] = (expression); \
  return result

STEERGRID_INLINE Floats operator+(Floats a, Floats b) { STEERGRID_LANES(Floats, a.part[p] + b.part[p]); }
STEERGRID_INLINE Floats operator-(Floats a, Floats b) { STEERGRID_LANES(Floats, a.part[p] - b.part[p]); }
STEERGRID_INLINE Floats operator*(Floats a, Floats b) { STEERGRID_LANES(Floats, a.part[p] * b.part[p]); }
STEERGRID_INLINE Floats operator/(Floats a, Floats b) { STEERGRID_LANES(Floats, a.part[p] / b.part[p]); }
STEERGRID_INLINE Floats operator+(Floats a, float b) { STEERGRID_LANES(Floats, a.part[p] + b); }
STEERGRID_INLINE Floats operator-(Floats a, float b) { STEERGRID_LANES(Floats, a.part[p] - b); }
STEERGRID_INLINE Floats operator*(Floats a, float b) { STEERGRID_LANES(Floats, a.part[p] * b); }
STEERGRID_INLINE Floats operator/(Floats a, float b) { STEERGRID_LANES(Floats, a.part[p] / b); }
STEERGRID_INLINE Floats zeros() { STEERGRID_LANES(Floats, Native{}); }

STEERGRID_INLINE Bits bits_of(Floats a) { STEERGRID_LANES(Bits, reinterpret_cast<NativeBits>(a.part[p])); }
STEERGRID_INLINE Floats floats_of(Bits a) { STEERGRID_LANES(Floats, reinterpret_cast<Native>(a.part[p])); }
STEERGRID_INLINE Bits operator+(Bits a, Bits b) { STEERGRID_LANES(Bits, a.part[p] + b.part[p]); }
STEERGRID_INLINE Bits operator-(Bits a, Bits b) { STEERGRID_LANES(Bits, a.part[p] - b.part[p]); }
STEERGRID_INLINE Bits operator+(Bits a, std::uint32_t b) { STEERGRID_LANES(Bits, a.part[p] + b); }
STEERGRID_INLINE Bits operator-(Bits a, std::uint32_t b) { STEERGRID_LANES(Bits, a.part[p] - b); }
STEERGRID_INLINE Bits operator&(Bits a, std::uint32_t b) { STEERGRID_LANES(Bits, a.part[p] & b); }
STEERGRID_INLINE Bits operator|(Bits a, std::uint32_t b) { STEERGRID_LANES(Bits, a.part[p] | b); }
STEERGRID_INLINE Bits operator|(Bits a, Bits b) { STEERGRID_LANES(Bits, a.part[p] | b.part[p]); }
STEERGRID_INLINE Bits operator<<(Bits a, int b) { STEERGRID_LANES(Bits, a.part[p] << b); }
STEERGRID_INLINE Bits operator>>(Bits a, int b) { STEERGRID_LANES(Bits, a.part[p] >> b); }

/// yes where a < b (false for NaN), no elsewhere.
STEERGRID_INLINE Floats where_less(Floats a, Floats b, Floats yes, Floats no) {
  STEERGRID_LANES(Floats, a.part[p] < b.part[p] ? yes.part[p] : no.part[p]);
}
STEERGRID_INLINE Bits where_above(Bits a, std::uint32_t b, Bits yes, Bits no) {
  STEERGRID_LANES(Bits, a.part[p] > b ? yes.part[p] : no.part[p]);
}
STEERGRID_INLINE Floats splat(float a) { return zeros() + a; }

STEERGRID_INLINE Floats load(const float* from) {
  STEERGRID_LANES(Floats, *reinterpret_cast<const NativeUnaligned*>(from + p * kNativeLanes));
}
STEERGRID_INLINE void store(float* to, Floats a) {
  for (int p = 0; p < kParts; ++p) *reinterpret_cast<NativeUnaligned*>(to + p * kNativeLanes) = a.part[p];
}
/// The first `n` lanes from memory, zeros in the others.
STEERGRID_INLINE Floats load(const float* from, std::int64_t n) {
  if (n >= kLanes) return load(from);
  float lanes[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) lanes[i] = from[i];
  return load(lanes);
}
STEERGRID_INLINE void store(float* to, Floats a, std::int64_t n) {
  if (n >= kLanes) return store(to, a);
  float lanes[kLanes];
  store(lanes, a);
  for (std::int64_t i = 0; i < n; ++i) to[i] = lanes[i];
}

/// The lanes' sum by halves (0+8, 1+9, ...), their largest value (NaN lanes may be lost).
STEERGRID_INLINE float sum_of(Floats a) {
  float lanes[kLanes];
  store(lanes, a);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}
STEERGRID_INLINE float largest_of(Floats a) {
  float lanes[kLanes];
  store(lanes, a);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] = lanes[i] < lanes[i + width] ? lanes[i + width] : lanes[i];
  return lanes[0];
}

STEERGRID_INLINE Floats round_bfloat16(Floats a) {
  const Bits u = bits_of(a);
  const Bits rounded = (u + ((u >> 16) & 1u) + 0x7fffu) & 0xffff0000u;
  const Bits quiet_nan = (u | 0x00400000u) & 0xffff0000u;
  return floats_of(where_above(u & 0x7fffffffu, 0x7f800000u, quiet_nan, rounded));
}

/// The same cases as float_to_float16 and back (base/dtype.cpp).
STEERGRID_INLINE Floats round_float16(Floats a) {
  const Bits u = bits_of(a);
  const Bits magnitude = u & 0x7fffffffu;
  const Bits normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u)) & 0xffffe000u;
  const Bits subnormal = bits_of((floats_of(magnitude) + 0.5f) - 0.5f);  // one addition rounds to multiples of 2^-24
  Bits result = where_above(magnitude, 0x387fffffu, normal, subnormal);
  const Bits infinity = (magnitude & 0u) | 0x7f800000u;
  result = where_above(magnitude, 0x477fefffu, infinity, result);
  result = where_above(magnitude, 0x7f800000u, infinity | 0x00400000u, result);
  result = where_above(magnitude, 0x7f800000u, (magnitude & 0u) | 0x7fc00000u, result);
  return floats_of(result | (u & 0x80000000u));
}

template <Rounding to>
STEERGRID_INLINE Floats rounded(Floats a) {
  if constexpr (to == Rounding::BFloat16) return round_bfloat16(a);
  if constexpr (to == Rounding::Float16) return round_float16(a);
  return a;
}

/// e^x, within 2 units in the last place (the tests walk through the range), 0 and infinity where float32 ends,
/// subnormal results rounded, NaN stays NaN. x = n ln 2 + r, |r| <= ln(2)/2, polynomial of degree 7 after Cephes' expf.
STEERGRID_INLINE Floats exponential(Floats x) {
  x = where_less(x, splat(-104.0f), splat(-104.0f), x);
  x = where_less(splat(89.0f), x, splat(89.0f), x);
  constexpr float kToInteger = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const Floats shifted = x * 1.44269504088896341f + kToInteger;
  const Floats n = shifted - kToInteger;
  const Floats r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Floats y = r * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = (y * (r * r) + r) + 1.0f;
  // 2^n in two factors, so that results beyond the normal range round once at the end.
  const Bits biased = bits_of(shifted) - 0x4b400000u + 254u;  // n + 254 >= 103
  const Bits half = biased >> 1;
  return (y * floats_of(half << 23)) * floats_of((biased - half) << 23);
}

}  // namespace
}  // namespace steergrid
