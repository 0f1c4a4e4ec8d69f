// silu(gate) * up; silu is rounded to the compute type before the product, as Hugging Face does. The CPU's bits.
#include <algorithm>
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;

// No __restrict__: out may be gate.
template <class T>
__global__ void swiglu_values(const T* gate, const T* up, T* out, std::int64_t n) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += std::int64_t{gridDim.x} * kThreads) {
    const float g = cuda::to_float(gate[i]);
    const float silu = cuda::rounded<T>(g / (cuda::exponential(0.0f - g) + 1.0f));
    out[i] = cuda::from_float<T>(silu * cuda::to_float(up[i]));
  }
}

}  // namespace

void CudaBackend::swiglu(Matrix gate, Matrix up, Matrix out) {
  assert(gate.rows == up.rows && gate.cols == up.cols && out.rows == up.rows && out.cols == up.cols);
  assert(gate.dtype == compute_ && up.dtype == compute_ && out.dtype == compute_);
  const std::int64_t n = gate.rows * gate.cols;
  if (n == 0) return;
  const unsigned blocks = std::min(cuda::blocks_for(n, kThreads), 1u << 16);
  cuda::with_type(compute_, [&](auto* type) {
    using T = cuda::Pointee<decltype(type)>;
    cuda::launch("swiglu_values", swiglu_values<T>, blocks, kThreads, 0, stream_->get(), gate.as<const T>(),
                 up.as<const T>(), out.as<T>(), n);
  });
}

}  // namespace steergrid
