// Attention with forks, one path for prompts and forks. float16 and bfloat16 go through tensor cores
// (attention_tensor.cuh); float32, and head sizes that are no multiples of 8, through the plain kernel here. Which of
// the two it is depends on type and head size alone.
//
// The plain kernel: a block takes up to 16 rows (a query and a head each) of one segment that share a key/value head,
// and walks the keys in tiles of 32 at absolute multiples of 32 positions; each key is looked up by its position, so
// the tile that a fork cuts is made of the prompt's keys and the fork's own like any other. Softmax is online, in
// float32. A row's arithmetic: lane j of its warp holds the score of the tile's key j, one chain of fused multiply-adds
// over E; a key beyond the row's own position has probability exactly 0 and its value is left out (its NaN stays its
// own); the values are added in ascending position. Which rows share the block never shows in the bits. Probabilities
// stay float32 (Hugging Face rounds them to the model's type).
#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

#include "kernels/cuda/attention_tensor.cuh"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kKeys = 32;       // of a tile: one a lane
constexpr int kWarps = 4;       // of a block
constexpr int kRowsOfWarp = 4;  // a warp's rows share what it reads of a tile
constexpr int kBlockRows = kWarps * kRowsOfWarp;
constexpr int kThreads = kWarps * 32;
constexpr int kMostHeadSize = 256;
constexpr unsigned kAllLanes = 0xffffffffu;

/// Some queries of a segment; `first` is the absolute position of the first.
struct Piece {
  std::int64_t q_row, own_row, prefix_row;
  std::int32_t position, first, count, unused;
};

template <class T>
struct Arrays {
  const T *q, *k, *v;
  T* out;
  std::int64_t q_cols, kv_cols;
  int head_size, group;  // query heads a key/value head serves
  float scale;
};

/// Shared memory holds q, keys and values as float32, zeros from E up to a multiple of 4.
__host__ __device__ constexpr int padded_size(int head_size) { return (head_size + 3) / 4 * 4; }
/// 4 floats more than a key: eight lanes that read 16 bytes each hit 32 different banks.
__host__ __device__ constexpr int key_stride(int head_size) { return padded_size(head_size) + 4; }

/// Columns [c, c+4) of a head; zeros beyond E.
template <class T>
__device__ __forceinline__ float4 four_of(const T* head, int c, int head_size) {
  if (head_size % 4 == 0) return cuda::load4(head + c);
  float4 found = {0.0f, 0.0f, 0.0f, 0.0f};
  found.x = cuda::to_float(head[c]);
  if (c + 1 < head_size) found.y = cuda::to_float(head[c + 1]);
  if (c + 2 < head_size) found.z = cuda::to_float(head[c + 2]);
  if (c + 3 < head_size) found.w = cuda::to_float(head[c + 3]);
  return found;
}

/// The block's rows of q: row t is query t / heads, head t % heads of the `heads` from `first_head` on.
template <class T>
__device__ void load_queries(const Arrays<T>& a, const Piece& piece, int first_head, int heads, float* q) {
  const int fours = padded_size(a.head_size) / 4;
  for (int i = threadIdx.x; i < piece.count * heads * fours; i += kThreads) {
    const int t = i / fours, c = i % fours * 4;
    const T* head = a.q + (piece.q_row + t / heads) * a.q_cols + (first_head + t % heads) * a.head_size;
    *reinterpret_cast<float4*>(q + t * fours * 4 + c) = four_of(head, c, a.head_size);
  }
}

/// Keys and values of the tile that begins at position `start`; zeros from position `end` on.
template <class T>
__device__ void load_tile(const Arrays<T>& a, const Piece& piece, int start, int end, float* k, float* v,
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

/// kParts * 32 >= E. Block (piece, key/value head, 16 heads of its group).
template <class T, int kParts>
__global__ void __launch_bounds__(kThreads, 4) attend(Arrays<T> a, const Piece* pieces) {
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
      T* out = a.out + (piece.q_row + t / heads) * a.q_cols + (first_head + t % heads) * a.head_size;
      const float weight = sum_in_warp(s.weight[r]);
      for (int c = 0; c < kParts; ++c)
        if (c * 32 + lane < a.head_size) out[c * 32 + lane] = cuda::from_float<T>(s.sum[r][c] / weight);
    }
}

template <class T, int kParts>
void launch(const Arrays<T>& a, const Piece* pieces, dim3 grid, cudaStream_t stream) {
  const std::size_t floats =
      kBlockRows * padded_size(a.head_size) + kKeys * key_stride(a.head_size) + kKeys * kParts * 32;
  const std::size_t bytes = floats * sizeof(float);
  cuda::allow_shared(attend<T, kParts>, bytes);
  cuda::launch("attend", attend<T, kParts>, grid, kThreads, bytes, stream, a, pieces);
}

float scale_of(int head_size) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_size))); }

/// All queries in pieces of `most` or fewer.
std::vector<Piece> pieces_of(std::span<const Segment> segments, int most) {
  std::vector<Piece> pieces;
  std::int64_t row = 0;
  for (const Segment& s : segments) {
    assert(s.position >= 0 && s.first_query >= 0 && s.n_queries >= 0);
    for (int first = 0; first < s.n_queries; first += most)
      pieces.push_back({row + first, s.own_row, s.prefix_row, s.position, s.position + s.first_query + first,
                        std::min(most, s.n_queries - first), 0});
    row += s.n_queries;
  }
  return pieces;
}

/// The queries of a call as tasks: each prompt by itself, all forks that read the same prompt together.
struct Tasks {
  std::vector<tensor::Query> queries;
  std::vector<tensor::Block> blocks;
};

Tasks tasks_of(std::span<const Segment> segments, int group) {
  std::vector<std::int64_t> first_row;
  std::vector<std::int32_t> order;
  std::int64_t rows = 0;
  for (const Segment& s : segments) {
    assert(s.position >= 0 && s.first_query >= 0 && s.n_queries >= 0);
    order.push_back(static_cast<std::int32_t>(order.size()));
    first_row.push_back(rows);
    rows += s.n_queries;
  }
  const auto segment = [&](std::int32_t i) -> const Segment& { return segments[static_cast<std::size_t>(i)]; };
  const auto prompt = [&](std::int32_t i) { return segment(i).position == 0 ? -1 : segment(i).prefix_row; };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return prompt(a) < prompt(b); });
  Tasks tasks;
  for (std::size_t i = 0; i < order.size();) {
    const auto begin = static_cast<std::int32_t>(tasks.queries.size());
    const std::int64_t read = prompt(order[i]);
    do {
      const Segment& s = segment(order[i]);
      for (int q = 0; q < s.n_queries; ++q)
        tasks.queries.push_back({first_row[static_cast<std::size_t>(order[i])] + q, s.own_row, s.prefix_row, s.position,
                                 s.position + s.first_query + q, order[i], 0});
      ++i;
    } while (i < order.size() && read >= 0 && prompt(order[i]) == read);
    const std::int32_t n = static_cast<std::int32_t>(tasks.queries.size()) - begin;
    for (std::int32_t row = 0; row < n * group; row += tensor::kBlockRows) tasks.blocks.push_back({begin, n, row, 0});
  }
  return tasks;
}

template <class T, int steps>
void launch(const tensor::Arrays<T>& a, const Tasks& tasks, unsigned kv_heads, cuda::Staging& staging,
            cudaStream_t stream) {
  const auto staged = staging.copy({std::as_bytes(std::span(tasks.queries)), std::as_bytes(std::span(tasks.blocks))});
  const dim3 grid(static_cast<unsigned>(tasks.blocks.size()), kv_heads);
  cuda::allow_shared(tensor::attend<T, steps>, tensor::shared_bytes<steps>());
  cuda::launch("tensor::attend", tensor::attend<T, steps>, grid, tensor::kThreads, tensor::shared_bytes<steps>(),
               stream, a, static_cast<const tensor::Query*>(staged[0]), static_cast<const tensor::Block*>(staged[1]));
}

template <class T>
void attend_plainly(Matrix q, Matrix k, Matrix v, std::span<const Segment> segments, int head_size, Matrix out,
                    cuda::Staging& staging, cudaStream_t stream) {
  const int group = static_cast<int>(q.cols / k.cols);
  const std::vector<Piece> pieces = pieces_of(segments, std::max(1, kBlockRows / group));
  if (pieces.empty()) return;
  const auto staged = staging.copy({std::as_bytes(std::span(pieces))});
  const auto* on_device = static_cast<const Piece*>(staged[0]);
  const dim3 grid(static_cast<unsigned>(pieces.size()), static_cast<unsigned>(k.cols / head_size),
                  cuda::blocks_for(group, kBlockRows));
  const Arrays<T> a{q.as<const T>(), k.as<const T>(), v.as<const T>(), out.as<T>(),        q.cols,
                    k.cols,          head_size,       group,           scale_of(head_size)};
  if (head_size <= 32) return launch<T, 1>(a, on_device, grid, stream);
  if (head_size <= 64) return launch<T, 2>(a, on_device, grid, stream);
  if (head_size <= 128) return launch<T, 4>(a, on_device, grid, stream);
  return launch<T, 8>(a, on_device, grid, stream);
}

template <class T>
void attend_on_tensor_cores(Matrix q, Matrix k, Matrix v, std::span<const Segment> segments, int head_size, Matrix out,
                            cuda::Staging& staging, cudaStream_t stream) {
  const int group = static_cast<int>(q.cols / k.cols);
  const Tasks tasks = tasks_of(segments, group);
  if (tasks.blocks.empty()) return;
  const tensor::Arrays<T> a{q.as<const T>(), k.as<const T>(), v.as<const T>(), out.as<T>(),        q.cols,
                            k.cols,          head_size,       group,           scale_of(head_size)};
  const auto kv_heads = static_cast<unsigned>(k.cols / head_size);
  if (head_size <= 64) return launch<T, 4>(a, tasks, kv_heads, staging, stream);
  if (head_size <= 128) return launch<T, 8>(a, tasks, kv_heads, staging, stream);
  return launch<T, 16>(a, tasks, kv_heads, staging, stream);
}

}  // namespace

void CudaBackend::attention(Matrix q, Matrix k, Matrix v, std::span<const Segment> segments, int head_size,
                            Matrix out) {
  assert(q.rows == out.rows && q.cols == out.cols && k.cols == v.cols && k.rows == v.rows);
  assert(head_size > 0 && k.cols % head_size == 0 && q.cols % k.cols == 0);
  assert(q.dtype == compute_ && k.dtype == compute_ && v.dtype == compute_ && out.dtype == compute_);
  if (head_size > kMostHeadSize) cuda::unsupported("head sizes", head_size, kMostHeadSize);
  cuda::with_type(compute_, [&](auto* type) {
    using T = cuda::Pointee<decltype(type)>;
    if constexpr (!std::is_same_v<T, float>)
      if (head_size % 8 == 0)
        return attend_on_tensor_cores<T>(q, k, v, segments, head_size, out, staging_, stream_->get());
    attend_plainly<T>(q, k, v, segments, head_size, out, staging_, stream_->get());
  });
}

}  // namespace steergrid
