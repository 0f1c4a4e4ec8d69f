// Rotary positions, in place: (a, b) -> (a cos - b sin, b cos + a sin), in float32, rounded once to the compute type.
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;

template <class T>
__device__ void rotate(T* row, int cols, int head_size, const float* cosines, const float* sines) {
  const int half = head_size / 2;
  for (int pair = threadIdx.x; pair < cols / 2; pair += kThreads) {
    const int i = pair % half;
    T* low = row + pair / half * head_size + i;
    const float a = cuda::to_float(low[0]), b = cuda::to_float(low[half]);
    low[0] = cuda::from_float<T>(a * cosines[i] - b * sines[i]);
    low[half] = cuda::from_float<T>(b * cosines[i] + a * sines[i]);
  }
}

template <class T>
__global__ void rope_rows(T* q, std::int64_t q_cols, T* k, std::int64_t k_cols, const std::int32_t* positions,
                          const float* cos_sin, int head_size) {
  const std::int64_t r = blockIdx.x;
  const float* cosines = cos_sin + std::int64_t{positions[r]} * head_size;
  const float* sines = cosines + head_size / 2;
  rotate(q + r * q_cols, static_cast<int>(q_cols), head_size, cosines, sines);
  rotate(k + r * k_cols, static_cast<int>(k_cols), head_size, cosines, sines);
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
