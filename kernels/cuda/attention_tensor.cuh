// Attention on tensor cores, for float16 and bfloat16 and even head sizes up to 256: prompts and forks in one kernel.
// Included by attention.cu.
//
// A row is a query and one of the query heads that share a key/value head. A block takes 64 rows of one task (a prompt,
// or all forks of a prompt), a warp 16 of them: the M of mma.m16n8k16. Keys come in tiles of 32 at absolute multiples
// of 32 positions. Tiles that all of a block's rows read from the same place (a prompt's own; for forks the prompt's
// before the first fork) are loaded once a block; the others, from the tile that the fork cuts on, once a warp and
// fork, made of the prompt's keys and the fork's own.
//
// Why a row's bits depend on the row alone: a row of an mma depends on its own row of A and on B. A score is one row
// and one key. Of a step of 16 keys, rows are taken together only if they see the same keys, with zeros in B for the
// others: what an unseen key holds never enters, not even as 0 * infinity. (bfloat16 values of usual size may stand in
// B: see add_step.) All rows go through the tiles from position 0 on, one after another; a row leaves a tile it does
// not see as it was. Softmax is online, in float32. Probabilities enter as the sum of two halves (16 bits of them in
// bfloat16), so they are not rounded to the model's type, on the CPU neither.
#pragma once

#include <type_traits>

#include "kernels/cuda/attention_arrays.cuh"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

namespace tensor {

constexpr int kKeys = 32;
constexpr int kWarps = 4;
constexpr int kWarpRows = 16;
constexpr int kBlockRows = kWarps * kWarpRows;
constexpr int kThreads = kWarps * 32;

/// One query and where its keys lie (Segment, backend.h); `last` is its own position.
struct Query {
  std::int64_t row, own_row, prefix_row;
  std::int32_t position, last, segment, unused;
};

/// Rows [first_row, first_row + 64) of the n_queries * group rows of a task, whose queries begin at first_query.
struct Block {
  std::int32_t first_query, n_queries, first_row, unused;
};

/// Elements from a key to the next in shared memory: 8 more than a key, so that the lanes of a load hit all banks.
__host__ __device__ constexpr int key_stride(int steps) { return steps * 16 + 8; }
template <int steps>
constexpr std::size_t shared_bytes() {
  return std::size_t{kWarps} * 2 * kKeys * key_stride(steps) * 2;
}

__device__ __forceinline__ std::uint32_t bits_of(__half v) { return *reinterpret_cast<const std::uint16_t*>(&v); }
__device__ __forceinline__ std::uint32_t bits_of(__nv_bfloat16 v) {
  return *reinterpret_cast<const std::uint16_t*>(&v);
}
template <class T>
__device__ __forceinline__ std::uint32_t packed(T low, T high) {
  return bits_of(low) | bits_of(high) << 16;
}

/// Columns [c, c + 8) of a head of even size; zeros beyond it.
template <class T>
__device__ __forceinline__ uint4 eight_of(const T* head, int c, int head_size) {
  uint4 found = {0, 0, 0, 0};
  if (head_size % 8 == 0) {
    if (c < head_size) found = *reinterpret_cast<const uint4*>(head + c);
    return found;
  }
  const auto pair = [&](int at) {
    return at < head_size ? *reinterpret_cast<const std::uint32_t*>(head + at) : std::uint32_t{0};
  };
  return {pair(c), pair(c + 2), pair(c + 4), pair(c + 6)};
}

/// The first `keys` keys and values of the tile from position `start` on, by `n` threads of which this is number
/// `thread`; zeros from position `end` on and in columns beyond the head.
template <class T, int steps>
__device__ void load_tile(const Arrays<T>& a, const Query& from, int start, int end, int keys, T* k, T* v, int thread,
                          int n) {
  constexpr int kEights = steps * 2, kInFlight = 4;
  const int all = keys * kEights;
  for (int first = thread; first < all; first += n * kInFlight) {
    uint4 key[kInFlight], value[kInFlight];  // all loads before the first store: none waits for another
#pragma unroll
    for (int u = 0; u < kInFlight; ++u) {
      const int i = first + u * n, c = i % kEights * 8, at = start + i / kEights;
      key[u] = value[u] = {0, 0, 0, 0};
      if (i >= all || at >= end) continue;
      const std::int64_t row = at < from.position ? from.prefix_row + at : from.own_row + (at - from.position);
      const std::int64_t offset = row * a.kv_cols + std::int64_t{blockIdx.y} * a.head_size;
      key[u] = eight_of(a.k + offset, c, a.head_size);
      value[u] = eight_of(a.v + offset, c, a.head_size);
    }
#pragma unroll
    for (int u = 0; u < kInFlight; ++u) {
      const int i = first + u * n, to = i / kEights * key_stride(steps) + i % kEights * 8;
      if (i >= all) continue;
      *reinterpret_cast<uint4*>(k + to) = key[u];
      *reinterpret_cast<uint4*>(v + to) = value[u];
    }
  }
}

/// What a lane keeps of the warp's 16 rows: it holds rows g and g + 8 (g = lane / 4), half [0] and [1].
template <int steps>
struct Rows {
  std::uint32_t q[steps][4];
  float sum[steps * 2][4];
  float top[2], weight[2];
  int last[2], segment[2];  // last: -1 for a row that is not there
};

template <class T, int steps>
__device__ void load_rows(const Arrays<T>& a, const Query* queries, const Block& block, int first, Rows<steps>& s) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first + g + half * 8;
    const bool there = row < block.n_queries * a.group;
    const Query& query = queries[block.first_query + (there ? row / a.group : 0)];
    s.top[half] = -INFINITY;
    s.weight[half] = 0.0f;
    s.last[half] = there ? query.last : -1;
    s.segment[half] = there ? query.segment : -1;
    const T* head = a.q + query.row * a.q_cols + (std::int64_t{blockIdx.y} * a.group + row % a.group) * a.head_size;
#pragma unroll
    for (int i = 0; i < steps; ++i)
#pragma unroll
      for (int side = 0; side < 2; ++side) {
        const int c = i * 16 + side * 8 + t * 2;
        s.q[i][side * 2 + half] = there && c < a.head_size ? *reinterpret_cast<const std::uint32_t*>(head + c) : 0;
      }
  }
#pragma unroll
  for (int n = 0; n < steps * 2; ++n)
    for (int i = 0; i < 4; ++i) s.sum[n][i] = 0.0f;
}

__device__ __forceinline__ float largest_of_four(float value) {
  value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
  return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
}

/// score[n][i]: rows g (i < 2) and g + 8, keys n * 8 + 2t + i % 2 of the first `keys`.
template <class T, int steps>
__device__ __forceinline__ void scores_of(const Rows<steps>& s, const T* k, int keys, float (&score)[kKeys / 8][4]) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int n = 0; n < kKeys / 8; ++n) {
    for (int i = 0; i < 4; ++i) score[n][i] = 0.0f;
    if (n * 8 >= keys) continue;
    const T* key = k + (n * 8 + g) * key_stride(steps) + t * 2;
#pragma unroll
    for (int i = 0; i < steps; ++i) {
      const std::uint32_t b[2] = {*reinterpret_cast<const std::uint32_t*>(key + i * 16),
                                  *reinterpret_cast<const std::uint32_t*>(key + i * 16 + 8)};
      cuda::multiply_add(T{}, score[n], s.q[i], b);
    }
  }
}

/// Scores become probabilities against the new largest score; rows that take no part keep what they have.
template <int steps>
__device__ __forceinline__ void soften(Rows<steps>& s, float (&score)[kKeys / 8][4], const int (&seen)[2],
                                       float scale) {
  const int t = threadIdx.x % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float top = -INFINITY;
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n)
      for (int i = 0; i < 2; ++i) {
        float& x = score[n][half * 2 + i];
        x = n * 8 + t * 2 + i < seen[half] ? x * scale : -INFINITY;
        top = fmaxf(top, x);
      }
    top = fmaxf(s.top[half], largest_of_four(top));
    const float shift = top == -INFINITY ? 0.0f : top;  // no inf - inf where all scores are -inf so far
    const float correction = __expf(s.top[half] - shift);
    float weight = s.weight[half] * correction;
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n)
      for (int i = 0; i < 2; ++i) {
        float& x = score[n][half * 2 + i];
        x = n * 8 + t * 2 + i < seen[half] ? __expf(x - shift) : 0.0f;
        weight = weight + x;
      }
    if (seen[half] > 0) {
      s.top[half] = top;
      s.weight[half] = weight;
#pragma unroll
      for (int n = 0; n < steps * 2; ++n)
        for (int i = 0; i < 2; ++i) s.sum[n][half * 2 + i] *= correction;
    }
  }
}

/// The probabilities of one step of 16 keys as A operands: `high` rounded to T, `low` what that left.
template <class T>
__device__ __forceinline__ void halves_of(const float (&left)[4], const float (&right)[4], std::uint32_t (&high)[4],
                                          std::uint32_t (&low)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float(&keys)[4] = i < 2 ? left : right;
    const float x = keys[i % 2 * 2], y = keys[i % 2 * 2 + 1];
    const T x_high = cuda::from_float<T>(x), y_high = cuda::from_float<T>(y);
    high[i] = packed(x_high, y_high);
    low[i] = packed(cuda::from_float<T>(x - cuda::to_float(x_high)), cuda::from_float<T>(y - cuda::to_float(y_high)));
  }
}

/// sum += probabilities * values of the first `keys` (1 to 16) keys of one step, for the lane's `upper` and `lower`
/// row.
template <class T, int steps>
__device__ __forceinline__ void add_values(Rows<steps>& s, const std::uint32_t (&high)[4],
                                           const std::uint32_t (&low)[4], const T* v, int keys, bool upper,
                                           bool lower) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int n = 0; n < steps * 2; ++n) {
    std::uint32_t b[2];
#pragma unroll
    for (int side = 0; side < 2; ++side) {
      const int j = side * 8 + t * 2;
      const T* value = v + j * key_stride(steps) + n * 8 + g;
      b[side] = (j < keys ? bits_of(value[0]) : 0) | (j + 1 < keys ? bits_of(value[key_stride(steps)]) << 16 : 0);
    }
    float sum[4] = {s.sum[n][0], s.sum[n][1], s.sum[n][2], s.sum[n][3]};
    cuda::multiply_add(T{}, sum, high, b);
    cuda::multiply_add(T{}, sum, low, b);
    for (int i = 0; i < 2; ++i) {
      if (upper) s.sum[n][i] = sum[i];
      if (lower) s.sum[n][i + 2] = sum[i + 2];
    }
  }
}

/// Whether a bfloat16 of the two is 2^64 or more, infinite or no number.
__device__ __forceinline__ bool has_large(std::uint32_t two) {
  return (((two & 0x7f807f80u) + 0x20802080u) & 0x80008000u) != 0;
}

/// Whether zero times a value of a step's first `keys` keys is nothing: tensor cores cut all terms of a sum to the last
/// bit of the largest, and may take a zero for its type's least exponent, times the other factor. In bfloat16 that is
/// 2^-62 at most here, which cuts off what lies below 2^-85; in float16, with its 2^-14, it could be seen. The same on
/// all lanes.
template <class T, int steps>
__device__ __forceinline__ bool zero_is_nothing(const T* v, int keys) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    constexpr int kPairs = steps * 8;
    bool large = false;
    for (int i = threadIdx.x % 32; i < keys * kPairs; i += 32)
      large |= has_large(*reinterpret_cast<const std::uint32_t*>(v + i / kPairs * key_stride(steps) + i % kPairs * 2));
    return !__any_sync(kAllLanes, large);
  } else {
    return false;
  }
}

/// The values of one step of 16 keys, of which the lane's rows see the first `upper` and `lower`. Where the warp's rows
/// see different numbers of them, they still go in at once if an unseen one's probability, exactly 0, makes it nothing.
template <class T, int steps>
__device__ __forceinline__ void add_step(Rows<steps>& s, const float (&left)[4], const float (&right)[4], const T* v,
                                         int upper, int lower) {
  std::uint32_t high[4], low[4];
  halves_of<T>(left, right, high, low);
  const int most = __reduce_max_sync(kAllLanes, max(upper, lower));
  if (most <= 0) return;
  const bool mixed = (upper > 0 && upper != most) || (lower > 0 && lower != most);
  if (!__any_sync(kAllLanes, mixed) || zero_is_nothing<T, steps>(v, most))
    return add_values<T, steps>(s, high, low, v, most, upper > 0, lower > 0);
  for (int keys = 1; keys <= 16; ++keys)
    if (__any_sync(kAllLanes, upper == keys || lower == keys))
      add_values<T, steps>(s, high, low, v, keys, upper == keys, lower == keys);
}

/// The first `keys` (a multiple of 16) keys of a tile, which are all that the warp's rows see of it; `segment` < 0: for
/// all of the rows, else for those of that segment.
template <class T, int steps>
__device__ __forceinline__ void add_tile(Rows<steps>& s, const T* k, const T* v, int start, int keys, int segment,
                                         float scale) {
  int seen[2];  // keys of the tile that the lane's rows see
#pragma unroll
  for (int half = 0; half < 2; ++half)
    seen[half] = segment < 0 || segment == s.segment[half] ? min(keys, s.last[half] - start + 1) : 0;
  if (!__any_sync(kAllLanes, seen[0] > 0 || seen[1] > 0)) return;
  float p[kKeys / 8][4];
  scores_of<T, steps>(s, k, keys, p);
  soften<steps>(s, p, seen, scale);
#pragma unroll
  for (int step = 0; step < kKeys / 16; ++step)
    if (step * 16 < keys)
      add_step<T, steps>(s, p[step * 2], p[step * 2 + 1], v + step * 16 * key_stride(steps),
                         min(16, seen[0] - step * 16), min(16, seen[1] - step * 16));
}

/// Tiles that only some of the block's rows read, from position `start` on: each fork of the warp's rows by itself.
template <class T, int steps>
__device__ void own_tiles(const Arrays<T>& a, const Query* queries, const Block& block, int first, int start,
                          Rows<steps>& s, T* k, T* v) {
  const int rows = min(kWarpRows, block.n_queries * a.group - first);
  for (int row = 0; row < rows;) {
    const Query fork = queries[block.first_query + (first + row) / a.group];
    int end = fork.last + 1;  // of the fork's keys that the warp's rows see
    for (; row < rows; ++row) {
      const Query& query = queries[block.first_query + (first + row) / a.group];
      if (query.segment != fork.segment) break;
      end = max(end, query.last + 1);
    }
    for (int tile = start; tile < end; tile += kKeys) {
      const int keys = min(kKeys, (end - tile + 15) / 16 * 16);  // a fork's last tile holds a few of its own
      __syncwarp();
      load_tile<T, steps>(a, fork, tile, end, keys, k, v, threadIdx.x % 32, 32);
      __syncwarp();
      add_tile<T, steps>(s, k, v, tile, keys, fork.segment, a.scale);
    }
  }
}

template <class T, int steps>
__device__ void store_rows(const Arrays<T>& a, const Query* queries, const Block& block, int first,
                           const Rows<steps>& s) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float weight = s.weight[half];
    weight = weight + __shfl_xor_sync(kAllLanes, weight, 1);
    weight = weight + __shfl_xor_sync(kAllLanes, weight, 2);
    const int row = first + g + half * 8;
    if (s.last[half] < 0) continue;
    const Query& query = queries[block.first_query + row / a.group];
    T* out = a.out + query.row * a.q_cols + (std::int64_t{blockIdx.y} * a.group + row % a.group) * a.head_size;
#pragma unroll
    for (int n = 0; n < steps * 2; ++n) {
      const int c = n * 8 + t * 2;
      if (c < a.head_size)
        *reinterpret_cast<std::uint32_t*>(out + c) = packed(cuda::from_float<T>(s.sum[n][half * 2] / weight),
                                                            cuda::from_float<T>(s.sum[n][half * 2 + 1] / weight));
    }
  }
}

/// steps * 16 >= E. Grid (block of rows, key/value head).
template <class T, int steps>
__global__ void __launch_bounds__(kThreads) attend(Arrays<T> a, const Query* queries, const Block* blocks) {
  constexpr int kTile = kKeys * key_stride(steps);
  T* memory = cuda::dynamic_shared<T>();  // a K and a V tile for each warp
  const Block block = blocks[blockIdx.x];
  const int warp = threadIdx.x / 32, first = block.first_row + warp * kWarpRows;
  Rows<steps> s;
  load_rows<T, steps>(a, queries, block, first, s);

  const int end_row = min(block.first_row + kBlockRows, block.n_queries * a.group);
  const Query from = queries[block.first_query + block.first_row / a.group];
  const Query& to = queries[block.first_query + (end_row - 1) / a.group];
  int shared = 0, end = from.last + 1;  // the tiles before `shared` are the same for all of the block's rows
  if (from.segment == to.segment) {
    for (int row = block.first_row; row < end_row; row += a.group)
      end = max(end, queries[block.first_query + row / a.group].last + 1);
    end = max(end, to.last + 1);
    shared = end;
  } else {
    shared = from.position;
    for (int row = block.first_row; row < end_row; ++row)
      shared = min(shared, queries[block.first_query + row / a.group].position);
    shared = shared / kKeys * kKeys;
    end = shared;
  }
  int turn = 0;  // tiles go through the warps' memory in turn: one barrier a tile is enough
  for (int start = 0; start < shared; start += kKeys, turn = (turn + 1) % kWarps) {
    T* k = memory + turn * 2 * kTile;
    load_tile<T, steps>(a, from, start, end, kKeys, k, k + kTile, threadIdx.x, kThreads);
    __syncthreads();
    add_tile<T, steps>(s, k, k + kTile, start, kKeys, -1, a.scale);
  }
  if (from.segment != to.segment) {
    __syncthreads();
    T* k = memory + warp * 2 * kTile;
    own_tiles<T, steps>(a, queries, block, first, shared, s, k, k + kTile);
  }
  store_rows<T, steps>(a, queries, block, first, s);
}

}  // namespace tensor

}  // namespace
}  // namespace steergrid
