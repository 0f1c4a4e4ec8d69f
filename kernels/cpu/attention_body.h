// The attention of up to eight query rows: scores against 16-key tiles, softmax, weighted sum of values. Included like
// loops_body.h, local to the including file.
//
// Each score is one chain of additions over e, each output one chain over the keys in ascending position, each
// normaliser sixteen chains (lane = position mod 16) joined in a fixed tree. Which rows share a call, how many tiles or
// columns are in flight, and whether a key came from the prefix or from the segment never shows in a result. Keys a row
// does not see are left out, not multiplied by zero: their NaN stays theirs.
#pragma once

#include "kernels/cpu/lanes.h"

namespace steergrid {
namespace {

STEERGRID_INLINE const float* key_tile(const AttentionRows& a, int tile) {
  const std::ptrdiff_t size = std::ptrdiff_t{a.head_size} * kKeyTile;
  return tile < a.first_own_tile ? a.prefix_tiles + tile * size : a.own_tiles + (tile - a.first_own_tile) * size;
}

/// scores[row][tile*16..] = scale * q[row] . k for `tiles` tiles from `first_tile`.
template <int rows, int tiles>
STEERGRID_INLINE void score_tiles(const AttentionRows& a, int first, int first_tile) {
  const float* k[tiles];
  Floats score[rows][tiles];
  for (int t = 0; t < tiles; ++t) k[t] = key_tile(a, first_tile + t);
  for (int r = 0; r < rows; ++r)
    for (int t = 0; t < tiles; ++t) score[r][t] = zeros();
  for (int e = 0; e < a.head_size; ++e)
    for (int t = 0; t < tiles; ++t) {
      const Floats keys = load(k[t] + e * kKeyTile);
      for (int r = 0; r < rows; ++r) score[r][t] = score[r][t] + keys * a.q[first + r][e];
    }
  for (int r = 0; r < rows; ++r)
    for (int t = 0; t < tiles; ++t)
      store(a.scores + r * a.score_stride + (first_tile + t) * kKeyTile, score[r][t] * a.scale);
}

/// Turns one row's scores of keys 0..last into exp(score - max); returns their sum.
STEERGRID_INLINE float exponentials(float* scores, int last) {
  const int tiles = last / kKeyTile + 1;
  for (int j = last + 1; j < tiles * kKeyTile; ++j) scores[j] = -__builtin_inff();
  Floats best = splat(-__builtin_inff());
  for (int t = 0; t < tiles; ++t) {
    const Floats value = load(scores + t * kKeyTile);
    best = where_less(best, value, value, best);
  }
  const float top = largest_of(best);
  Floats sum = zeros();
  for (int t = 0; t < tiles; ++t) {
    const Floats p = exponential(load(scores + t * kKeyTile) - top);
    store(scores + t * kKeyTile, p);
    sum = sum + p;
  }
  return sum_of(sum);
}

template <int rows, int vectors>
STEERGRID_INLINE void add_values(Floats (&acc)[rows][vectors], const AttentionRows& a, const float* values, int column,
                                 int stride, int from, int to, int row = 0) {
  for (int j = from; j < to; ++j, values += stride)
    for (int v = 0; v < vectors; ++v) {
      const Floats value = load(values + column + v * kLanes);
      for (int r = 0; r < rows; ++r) acc[r][v] = acc[r][v] + value * a.scores[(row + r) * a.score_stride + j];
    }
}

/// `vectors` * 16 columns of the output of `rows` rows: the keys all of them see together, then each row's own rest.
template <int rows, int vectors, Rounding to>
STEERGRID_INLINE void value_columns(const AttentionRows& a, int first, int column, const float* sums) {
  const int stride = (a.head_size + kLanes - 1) / kLanes * kLanes;
  int common = a.last_key[first] + 1;
  for (int r = 1; r < rows; ++r) common = a.last_key[first + r] + 1 < common ? a.last_key[first + r] + 1 : common;
  const int split = common < a.position ? common : a.position;
  Floats acc[rows][vectors];
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) acc[r][v] = zeros();
  add_values<rows, vectors>(acc, a, a.prefix_values, column, stride, 0, split);
  add_values<rows, vectors>(acc, a, a.own_values, column, stride, split, common);
  for (int r = 0; r < rows; ++r) {
    Floats rest[1][vectors];
    for (int v = 0; v < vectors; ++v) rest[0][v] = acc[r][v];
    const float* values = a.own_values + std::ptrdiff_t{common - a.position} * stride;
    add_values<1, vectors>(rest, a, values, column, stride, common, a.last_key[first + r] + 1, r);
    for (int v = 0; v < vectors; ++v) {
      const int at = column + v * kLanes;
      store(a.out[first + r] + at, rounded<to>(rest[0][v] / sums[r]), a.head_size - at);
    }
  }
}

template <int rows, Rounding to>
STEERGRID_INLINE void attend(const AttentionRows& a, int first) {
  constexpr int kTiles = 8 / rows;  // eight independent chains hide the latency of an addition
  int last = a.last_key[first];
  for (int r = 1; r < rows; ++r) last = a.last_key[first + r] > last ? a.last_key[first + r] : last;
  const int tiles = last / kKeyTile + 1;
  int tile = 0;
  for (; tile + kTiles <= tiles; tile += kTiles) score_tiles<rows, kTiles>(a, first, tile);
  for (; tile + kTiles / 2 < tiles && kTiles > 2; tile += kTiles / 2)
    score_tiles<rows, (kTiles + 1) / 2>(a, first, tile);
  for (; tile < tiles; ++tile) score_tiles<rows, 1>(a, first, tile);
  float sums[rows];
  for (int r = 0; r < rows; ++r) sums[r] = exponentials(a.scores + r * a.score_stride, a.last_key[first + r]);
  int column = 0;
  for (; column + 3 * kLanes < a.head_size && rows < 8; column += 4 * kLanes)
    value_columns < rows, rows<8 ? 4 : 1, to>(a, first, column, sums);
  for (; column + kLanes < a.head_size; column += 2 * kLanes) value_columns<rows, 2, to>(a, first, column, sums);
  for (; column < a.head_size; column += kLanes) value_columns<rows, 1, to>(a, first, column, sums);
}

template <Rounding to>
void attend_all(const AttentionRows& a) {
  int first = 0;
  for (; first + 8 <= a.rows; first += 8) attend<8, to>(a, first);
  for (; first + 4 <= a.rows; first += 4) attend<4, to>(a, first);
  for (; first + 2 <= a.rows; first += 2) attend<2, to>(a, first);
  for (; first < a.rows; ++first) attend<1, to>(a, first);
}

void attention_loop(const AttentionRows& a) {
  switch (a.rounding) {
    case Rounding::None: return attend_all<Rounding::None>(a);
    case Rounding::Float16: return attend_all<Rounding::Float16>(a);
    case Rounding::BFloat16: return attend_all<Rounding::BFloat16>(a);
  }
}

}  // namespace
}  // namespace steergrid
