// The three floating-point types of weights and activations, and exact conversions between them and float32.
//
// Rounding is to nearest, ties to even; NaN stays NaN. Everyone who rounds (kernels, store) calls these, so that a
// value rounded in two places has the same bits.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace steergrid {

enum class DType : std::uint8_t { Float32, Float16, BFloat16 };

constexpr std::size_t size_of(DType t) { return t == DType::Float32 ? 4 : 2; }

/// "float32", "float16", "bfloat16": the names used in specs, result files and messages.
std::string_view name_of(DType t);
std::optional<DType> dtype_from_name(std::string_view name);

inline float bfloat16_to_float(std::uint16_t h) { return std::bit_cast<float>(std::uint32_t{h} << 16); }

inline std::uint16_t float_to_bfloat16(float f) {
  const auto u = std::bit_cast<std::uint32_t>(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((u >> 16) | 0x0040u);  // NaN, kept quiet
  return static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

float float16_to_float(std::uint16_t h);
std::uint16_t float_to_float16(float f);

/// `f` rounded to `t` and widened again.
inline float round_to(DType t, float f) {
  switch (t) {
    case DType::BFloat16: return bfloat16_to_float(float_to_bfloat16(f));
    case DType::Float16: return float16_to_float(float_to_float16(f));
    case DType::Float32: break;
  }
  return f;
}

}  // namespace steergrid
