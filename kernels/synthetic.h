// The weights of synthetic models, defined to the bit: what `Backend::make_weight` fills a weight with, and what a
// written checkpoint of such a model holds. Not trained, not normal: independent uniform numbers that keep the residual
// stream of any depth finite in every dtype.
//
// Sixteen neighbours of a row share one Philox block: counter (column / 16, row, tensor), key = seed. Byte b of the
// block's 16 (words in order, low byte first), as a signed number, gives the column's value (2 b + 1) * 2^-exponent:
// odd, in [-255, 255] before scaling, so symmetric and never zero, and exact in bfloat16 (8 bits), float16 and float32.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/philox.h"

namespace steergrid {

/// Rows [first_row, + rows) and columns [first_col, + cols) of one tensor of a synthetic model. A part has the values
/// that the whole tensor has there.
struct SyntheticPart {
  std::uint64_t seed = 0;
  std::uint64_t tensor = 0;
  int exponent = 0;
  std::int64_t first_row = 0, first_col = 0, rows = 0, cols = 0;
};

/// Neighbours of a row that one Philox block gives.
inline constexpr std::int64_t kSyntheticBlock = 16;

/// The exponent for products over `k` inputs: the smallest with 4^exponent >= 2^14 k. The values' standard deviation is
/// 148 * 2^-exponent, between 0.58 and 1.16 of 1 / sqrt(k): a product is about as large as its input.
constexpr int synthetic_exponent(std::int64_t k) {
  int exponent = 7;
  while ((std::int64_t{1} << (2 * (exponent - 7))) < k) ++exponent;
  return exponent;
}

/// 2^-exponent, exactly.
constexpr float synthetic_scale(int exponent) { return 1.0f / static_cast<float>(std::int64_t{1} << exponent); }

constexpr PhiloxCounter synthetic_block(const SyntheticPart& part, std::int64_t row, std::int64_t block) {
  return philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(row),
                 static_cast<std::uint32_t>(part.tensor), static_cast<std::uint32_t>(part.tensor >> 32)},
                {static_cast<std::uint32_t>(part.seed), static_cast<std::uint32_t>(part.seed >> 32)});
}

/// The value of the column that is `i`th in its block.
constexpr float synthetic_value(const PhiloxCounter& block, std::int64_t i, float scale) {
  const auto byte = static_cast<std::int8_t>(block[static_cast<std::size_t>(i / 4)] >> (8 * (i % 4)));
  return static_cast<float>(2 * byte + 1) * scale;
}

/// Row `row` of the part (0 is its first) to `to` [cols].
inline void synthetic_row(const SyntheticPart& part, std::int64_t row, float* to) {
  const float scale = synthetic_scale(part.exponent);
  const std::int64_t end = part.first_col + part.cols;
  for (std::int64_t c = part.first_col; c < end;) {
    const std::int64_t block = c / kSyntheticBlock, stop = std::min(end, (block + 1) * kSyntheticBlock);
    const PhiloxCounter values = synthetic_block(part, part.first_row + row, block);
    for (; c < stop; ++c) to[c - part.first_col] = synthetic_value(values, c % kSyntheticBlock, scale);
  }
}

}  // namespace steergrid
