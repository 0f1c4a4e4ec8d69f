// Attention in float32: no tensor cores, whose products would round the operands. Head sizes are even, up to 256.
// Included by attention.cu.
//
// A block takes up to 16 rows (a query and a head each) of one segment that share a key/value head, and walks the keys
// in tiles of 32 at absolute multiples of 32 positions; each key is looked up by its position, so the tile that a fork
// cuts is made of the prompt's keys and the fork's own like any other. Softmax is online, in float32. A row's
// arithmetic: lane j of its warp holds the score of the tile's key j, one chain of fused multiply-adds over E; a key
// beyond the row's own position has probability exactly 0 and its value is left out (its NaN stays its own); the values
// are added in ascending position. Which rows share the block never shows in the bits.
#pragma once

#include <cmath>

#include "kernels/cuda/attention_arrays.cuh"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

namespace plain {

constexpr int kKeys = 32;       // of a tile: one a lane
constexpr int kWarps = 4;       // of a block
constexpr int kRowsOfWarp = 4;  // a warp's rows share what it reads of a tile
constexpr int kBlockRows = kWarps * kRowsOfWarp;
constexpr int kThreads = kWarps * 32;

/// Some queries of a segment; `first` is the absolute position of the first.
struct Piece {
  std::int64_t q_row, own_row, prefix_row;
  std::int32_t position, first, count, unused;
};

/// Shared memory holds q, keys and values as float32, zeros from E up to a multiple of 4.
__host__ __device__ constexpr int padded_size(int head_size) { return (head_size + 3) / 4 * 4; }
/// 4 floats more than a key: eight lanes that read 16 bytes each hit 32 different banks.
__host__ __device__ constexpr int key_stride(int head_size) { return padded_size(head_size) + 4; }

/// Columns [c, c + 4) of a head of even size; zeros beyond it.
__device__ __forceinline__ float4 four_of(const float* head, int c, int head_size) {
  if (head_size % 4 == 0) return *reinterpret_cast<const float4*>(head + c);
  const float2 pair = *reinterpret_cast<const float2*>(head + c);
  if (c + 2 >= head_size) return {pair.x, pair.y, 0.0f, 0.0f};
  const float2 next = *reinterpret_cast<const float2*>(head + c + 2);
  return {pair.x, pair.y, next.x, next.y};
}

/// The block's rows of q: row t is query t / heads, head t % heads of the `heads` from `first_head` on.
__device__ void load_queries(const Arrays<float>& a, const Piece& piece, int first_head, int heads, float* q) {
  const int fours = padded_size(a.head_size) / 4;
  for (int i = threadIdx.x; i < piece.count * heads * fours; i += kThreads) {
    const int t = i / fours, c = i % fours * 4;
    const float* head = a.q + (piece.q_row + t / heads) * a.q_cols + (first_head + t % heads) * a.head_size;
    *reinterpret_cast<float4*>(q + t * fours * 4 + c) = four_of(head, c, a.head_size);
  }
}

/// Keys and values of the tile that begins at position `start`; zeros from position `end` on.
__device__ void load_tile(const Arrays<float>& a, const Piece& piece, int start, int end, float* k, float* v,
                          int v_stride) {
  const int fours = padded_size(a.head_size) / 4;
  for (int i = threadIdx.x; i < kKeys * fours; i += kThreads) {
    const int j = i / fours, c = i % fours * 4, at = start + j;
    float4 key = {0.0f, 0.0f, 0.0f, 0.0f}, value = key;
    if (at < end) {
      const std::int64_t row = at < piece.position ? piece.prefix_row + at : piece.own_row + (at - piece.position);
      const std::int64_t offset = row * a.kv_cols + std::int64_t{blockIdx.y} * a.head_size;
      key = four_of(a.k + offset, c, a.head_size);
      value = four_of(a.v + offset, c, a.head_size);
    }
    *reinterpret_cast<float4*>(k + j * key_stride(a.head_size) + c) = key;
    *reinterpret_cast<float4*>(v + j * v_stride + c) = value;
  }
}

__device__ __forceinline__ float largest_in_warp(float value) {
  for (int step = 16; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, step));
  return value;
}
__device__ __forceinline__ float sum_in_warp(float value) {  // a + b = b + a: every lane gets the same bits
  for (int step = 16; step > 0; step /= 2) value = value + __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

/// The rows of one warp: what online softmax keeps of each. Lane c holds columns c, c + 32, ... of the sums.
template <int kParts>
struct RowStates {
  float top[kRowsOfWarp], weight[kRowsOfWarp], sum[kRowsOfWarp][kParts];
  int last[kRowsOfWarp];  // the last position a row sees
  int rows;
};

/// Scores of this lane's key for the warp's rows: q . k, one chain over E each.
__device__ __forceinline__ void scores_of(const float* q, const float* key, int padded, int rows,
                                          float (&score)[kRowsOfWarp]) {
#pragma unroll
  for (int r = 0; r < kRowsOfWarp; ++r) score[r] = 0.0f;
  for (int c = 0; c < padded; c += 4) {
    const float4 k = *reinterpret_cast<const float4*>(key + c);
#pragma unroll
    for (int r = 0; r < kRowsOfWarp; ++r)
      if (r < rows) {
        const float4 x = *reinterpret_cast<const float4*>(q + r * kWarps * padded + c);
        score[r] = fmaf(x.w, k.w, fmaf(x.z, k.z, fmaf(x.y, k.y, fmaf(x.x, k.x, score[r]))));
      }
  }
}

/// One tile for the warp's rows.
template <int kParts>
__device__ __forceinline__ void add_tile(RowStates<kParts>& s, const float* q, const float* k, const float* v,
                                         int padded, int stride, float scale, int start) {
  const int lane = threadIdx.x % 32;
  float p[kRowsOfWarp];
  scores_of(q, k + lane * stride, padded, s.rows, p);
  int keys = 0;  // of the tile that some row sees
#pragma unroll
  for (int r = 0; r < kRowsOfWarp; ++r)
    if (r < s.rows && start <= s.last[r]) {
      const bool seen = start + lane <= s.last[r];
      const float score = seen ? p[r] * scale : -INFINITY;
      const float top = fmaxf(s.top[r], largest_in_warp(score));
      const float shift = top == -INFINITY ? 0.0f : top;  // no inf - inf where all scores are -inf so far
      const float correction = cuda::exponential(s.top[r] - shift);
      p[r] = seen ? cuda::exponential(score - shift) : 0.0f;
      s.top[r] = top;
      s.weight[r] = fmaf(s.weight[r], correction, p[r]);
      for (int c = 0; c < kParts; ++c) s.sum[r][c] *= correction;
      keys = max(keys, min(kKeys, s.last[r] - start + 1));
    }
  for (int j = 0; j < keys; ++j) {
    float value[kParts];
#pragma unroll
    for (int c = 0; c < kParts; ++c) value[c] = v[j * kParts * 32 + c * 32 + lane];
#pragma unroll
    for (int r = 0; r < kRowsOfWarp; ++r)
      if (r < s.rows && start + j <= s.last[r]) {
        const float weight = __shfl_sync(kAllLanes, p[r], j);
        for (int c = 0; c < kParts; ++c) s.sum[r][c] = fmaf(weight, value[c], s.sum[r][c]);
      }
  }
}

/// Of a block: its queries, a tile of keys, a tile of values.
template <int kParts>
std::size_t shared_bytes(int head_size) {
  const int floats = kBlockRows * padded_size(head_size) + kKeys * key_stride(head_size) + kKeys * kParts * 32;
  return static_cast<std::size_t>(floats) * sizeof(float);
}

/// kParts * 32 >= E. Block (piece, key/value head, 16 heads of its group).
template <int kParts>
__global__ void __launch_bounds__(kThreads, 4) attend(Arrays<float> a, const Piece* pieces) {
  const Piece piece = pieces[blockIdx.x];
  const int heads = min(kBlockRows, a.group - static_cast<int>(blockIdx.z) * kBlockRows);
  const int first_head = static_cast<int>(blockIdx.y) * a.group + static_cast<int>(blockIdx.z) * kBlockRows;
  const int padded = padded_size(a.head_size), stride = key_stride(a.head_size);
  float* q = cuda::dynamic_shared<float>();
  float* k = q + kBlockRows * padded;
  float* v = k + kKeys * stride;
  load_queries(a, piece, first_head, heads, q);

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, rows = piece.count * heads;
  RowStates<kParts> s;
  s.rows = max(0, (rows - warp + kWarps - 1) / kWarps);  // rows warp, warp + 4, ...: few rows keep all warps busy
#pragma unroll
  for (int r = 0; r < kRowsOfWarp; ++r) {
    s.top[r] = -INFINITY;
    s.weight[r] = 0.0f;
    s.last[r] = piece.first + (warp + r * kWarps) / heads;
    for (int c = 0; c < kParts; ++c) s.sum[r][c] = 0.0f;
  }
  const int end = piece.first + piece.count;
  for (int start = 0; start < end; start += kKeys) {
    __syncthreads();
    load_tile(a, piece, start, end, k, v, kParts * 32);
    __syncthreads();
    add_tile(s, q + warp * padded, k, v, padded, stride, a.scale, start);
  }
#pragma unroll
  for (int r = 0; r < kRowsOfWarp; ++r)
    if (r < s.rows) {
      const int t = warp + r * kWarps;
      float* out = a.out + (piece.q_row + t / heads) * a.q_cols + (first_head + t % heads) * a.head_size;
      const float weight = sum_in_warp(s.weight[r]);
      for (int c = 0; c < kParts; ++c)
        if (c * 32 + lane < a.head_size) out[c * 32 + lane] = s.sum[r][c] / weight;
    }
}

}  // namespace plain

}  // namespace
}  // namespace steergrid
