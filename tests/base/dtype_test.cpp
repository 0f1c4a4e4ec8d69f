// Conversions between float32 and the halves: exhaustive over all 65,536 halves and, for rounding, over the midpoints
// between all neighbours and their own neighbours in float32.
#include "base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace steergrid {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Half {
  const char* name;
  float (*widen)(std::uint16_t);
  std::uint16_t (*narrow)(float);
  int exponent_bits, fraction_bits;
};

const Half kHalves[] = {{"float16", float16_to_float, float_to_float16, 5, 10},
                        {"bfloat16", bfloat16_to_float, float_to_bfloat16, 8, 7}};

/// The value of a half by the definition of IEEE 754, in double.
double defined(const Half& h, std::uint16_t bits) {
  const int fraction = bits & ((1 << h.fraction_bits) - 1);
  const int exponent = (bits >> h.fraction_bits) & ((1 << h.exponent_bits) - 1);
  const int bias = (1 << (h.exponent_bits - 1)) - 1;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == (1 << h.exponent_bits) - 1) return fraction == 0 ? sign * kInfinity : std::nan("");
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - h.fraction_bits);
  return sign * std::ldexp((1 << h.fraction_bits) + fraction, exponent - bias - h.fraction_bits);
}

TEST(Halves, HaveTheValuesThatTheStandardDefines) {
  for (const Half& h : kHalves) {
    for (int bits = 0; bits < 65536; ++bits) {
      const auto half = static_cast<std::uint16_t>(bits);
      const double expected = defined(h, half);
      const float value = h.widen(half);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(value)) << h.name << " " << bits;
      } else {
        EXPECT_EQ(double{value}, expected) << h.name << " " << bits;
        EXPECT_EQ(std::signbit(value), (bits & 0x8000) != 0) << h.name << " " << bits;
      }
    }
  }
}

TEST(Halves, ComeBackFromFloat32AsTheyWere) {
  for (const Half& h : kHalves) {
    for (int bits = 0; bits < 65536; ++bits) {
      const auto half = static_cast<std::uint16_t>(bits);
      const float value = h.widen(half);
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(h.widen(h.narrow(value)))) << h.name << " " << bits;
      } else {
        EXPECT_EQ(h.narrow(value), half) << h.name << " " << bits;
      }
    }
  }
}

TEST(Halves, RoundToTheNearestAndTiesToEven) {
  for (const Half& h : kHalves) {
    const int infinity = ((1 << h.exponent_bits) - 1) << h.fraction_bits;
    for (int bits = 0; bits + 1 < infinity; ++bits) {
      const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
      const float middle = static_cast<float>((double{h.widen(low)} + double{h.widen(high)}) / 2);  // exact
      for (const bool negative : {false, true}) {
        const float sign = negative ? -1.0f : 1.0f;
        const auto of = [&](std::uint16_t half) { return static_cast<std::uint16_t>(half | (negative ? 0x8000 : 0)); };
        EXPECT_EQ(h.narrow(sign * middle), of((bits & 1) == 0 ? low : high)) << h.name << " " << bits;
        EXPECT_EQ(h.narrow(sign * std::nextafter(middle, 0.0f)), of(low)) << h.name << " " << bits;
        EXPECT_EQ(h.narrow(sign * std::nextafter(middle, kInfinity)), of(high)) << h.name << " " << bits;
      }
    }
  }
}

TEST(Halves, OverflowToInfinityFromHalfAStepBeyondTheLargest) {
  for (const Half& h : kHalves) {
    const int infinity = ((1 << h.exponent_bits) - 1) << h.fraction_bits;
    const double largest = h.widen(static_cast<std::uint16_t>(infinity - 1));
    const double step = largest - double{h.widen(static_cast<std::uint16_t>(infinity - 2))};
    const auto limit = static_cast<float>(largest + step / 2);
    EXPECT_EQ(h.narrow(limit), infinity) << h.name;
    EXPECT_EQ(h.narrow(std::nextafter(limit, 0.0f)), infinity - 1) << h.name;
    EXPECT_EQ(h.narrow(kInfinity), infinity) << h.name;
    EXPECT_EQ(h.narrow(-std::numeric_limits<float>::max()), infinity | 0x8000) << h.name;
  }
}

TEST(Halves, KeepZerosSignAndFlushTheTiniest) {
  for (const Half& h : kHalves) {
    EXPECT_EQ(h.narrow(0.0f), 0) << h.name;
    EXPECT_EQ(h.narrow(-0.0f), 0x8000) << h.name;
    EXPECT_EQ(h.narrow(-std::numeric_limits<float>::denorm_min()), 0x8000) << h.name;
  }
}

TEST(Halves, KeepEveryNanANan) {
  for (const std::uint32_t bits : {0x7f800001u, 0x7fc00000u, 0xff800001u, 0xffffffffu, 0x7f80ffffu})
    for (const Half& h : kHalves) EXPECT_TRUE(std::isnan(h.widen(h.narrow(std::bit_cast<float>(bits))))) << h.name;
}

TEST(DTypes, RoundAsTheirHalves) {
  const float f = 1.0f + 1.0f / 1024 + 1.0f / 65536;
  EXPECT_EQ(round_to(DType::Float32, f), f);
  EXPECT_EQ(round_to(DType::Float16, f), 1.0f + 1.0f / 1024);
  EXPECT_EQ(round_to(DType::BFloat16, f), 1.0f);
}

TEST(DTypes, HaveNamesThatReadBack) {
  for (const DType t : {DType::Float32, DType::Float16, DType::BFloat16}) EXPECT_EQ(dtype_from_name(name_of(t)), t);
  EXPECT_EQ(dtype_from_name("auto"), std::nullopt);
  EXPECT_EQ(size_of(DType::Float32), 4u);
  EXPECT_EQ(size_of(DType::Float16), 2u);
  EXPECT_EQ(size_of(DType::BFloat16), 2u);
}

}  // namespace
}  // namespace steergrid
