// Rotary positions, in place: (a, b) -> (a cos - b sin, b cos + a sin), in float32, rounded once to the compute type.
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;

/// Pair `i` of every `step`-th head from `first` on.
template <class T>
__device__ void rotate(T* row, std::int64_t cols, int head_size, int i, int first, int step, float cosine, float sine) {
  const int half = head_size / 2;
  for (std::int64_t at = std::int64_t{first} * head_size + i; at < cols; at += std::int64_t{step} * head_size) {
    const float a = cuda::to_float(row[at]), b = cuda::to_float(row[at + half]);
    row[at] = cuda::from_float<T>(a * cosine - b * sine);
    row[at + half] = cuda::from_float<T>(b * cosine + a * sine);
  }
}

/// A thread keeps to one pair of a head, so its angle is loaded once for all heads.
template <class T>
__global__ void rope_rows(T* q, std::int64_t q_cols, T* k, std::int64_t k_cols, const std::int32_t* positions,
                          const float* cos_sin, int head_size) {
  const std::int64_t r = blockIdx.x;
  const int half = head_size / 2, pairs = min(half, kThreads), heads = kThreads / pairs;
  const float* cosines = cos_sin + std::int64_t{positions[r]} * head_size;
  const int first = static_cast<int>(threadIdx.x) / pairs;
  if (first >= heads) return;
  for (int i = static_cast<int>(threadIdx.x) % pairs; i < half; i += pairs) {
    const float cosine = cosines[i], sine = cosines[half + i];
    rotate(q + r * q_cols, q_cols, head_size, i, first, heads, cosine, sine);
    rotate(k + r * k_cols, k_cols, head_size, i, first, heads, cosine, sine);
  }
}

}  // namespace

void CudaBackend::rope(Matrix q, Matrix k, std::span<const std::int32_t> positions, const Tensor& cos_sin,
                       int head_size) {
  const Matrix& table = cos_sin.view();
  assert(head_size % 2 == 0 && table.cols == head_size && q.cols % head_size == 0 && k.cols % head_size == 0);
  assert(q.rows == static_cast<std::int64_t>(positions.size()) && k.rows == q.rows);
  assert(q.dtype == compute_ && k.dtype == compute_);
  for ([[maybe_unused]] const std::int32_t p : positions) assert(p >= 0 && p < table.rows);
  if (q.rows == 0) return;
  const auto staged = staging_.copy({std::as_bytes(positions)});
  cuda::with_type(compute_, [&](auto* type) {
    using T = cuda::Pointee<decltype(type)>;
    cuda::launch("rope_rows", rope_rows<T>, static_cast<unsigned>(q.rows), kThreads, 0, stream_->get(), q.as<T>(),
                 q.cols, k.as<T>(), k.cols, static_cast<const std::int32_t*>(staged[0]), table.as<const float>(),
                 head_size);
  });
}

}  // namespace steergrid
