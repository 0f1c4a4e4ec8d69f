// silu(gate) * up; silu is rounded to the compute type before the product, as Hugging Face does. The CPU's bits.
#include <algorithm>
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;

template <class T>
__device__ __forceinline__ T gated(T gate, T up) {
  const float g = cuda::to_float(gate);
  const float silu = cuda::rounded<T>(g / (cuda::exponential(0.0f - g) + 1.0f));
  return cuda::from_float<T>(silu * cuda::to_float(up));
}

/// 16 bytes of values, so that both loads of a thread are under way before it computes.
template <class T>
union Pack {
  uint4 bits;
  T values[16 / sizeof(T)];
  __device__ Pack() {}
};

/// `packs` whole packs, then what is left of n values, one by one. No __restrict__: out may be gate.
template <class T>
__global__ void swiglu_values(const T* gate, const T* up, T* out, std::int64_t packs, std::int64_t n) {
  constexpr int kPack = 16 / sizeof(T);
  const std::int64_t first = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const std::int64_t step = std::int64_t{gridDim.x} * kThreads;
  for (std::int64_t i = first; i < packs; i += step) {
    Pack<T> g, u, result;
    g.bits = reinterpret_cast<const uint4*>(gate)[i];
    u.bits = reinterpret_cast<const uint4*>(up)[i];
#pragma unroll
    for (int j = 0; j < kPack; ++j) result.values[j] = gated(g.values[j], u.values[j]);
    reinterpret_cast<uint4*>(out)[i] = result.bits;
  }
  for (std::int64_t i = packs * kPack + first; i < n; i += step) out[i] = gated(gate[i], up[i]);
}

bool aligned(const Matrix& m) { return reinterpret_cast<std::uintptr_t>(m.data) % 16 == 0; }

}  // namespace

void CudaBackend::swiglu(Matrix gate, Matrix up, Matrix out) {
  assert(gate.rows == up.rows && gate.cols == up.cols && out.rows == up.rows && out.cols == up.cols);
  assert(gate.dtype == compute_ && up.dtype == compute_ && out.dtype == compute_);
  const std::int64_t n = gate.rows * gate.cols;
  if (n == 0) return;
  const std::int64_t in_pack = 16 / static_cast<std::int64_t>(size_of(compute_));
  const std::int64_t packs = aligned(gate) && aligned(up) && aligned(out) ? n / in_pack : 0;
  const unsigned blocks = std::min(cuda::blocks_for(packs > 0 ? packs : n, kThreads), 1u << 16);
  cuda::with_type(compute_, [&](auto* type) {
    using T = cuda::Pointee<decltype(type)>;
    cuda::launch("swiglu_values", swiglu_values<T>, blocks, kThreads, 0, stream_->get(), gate.as<const T>(),
                 up.as<const T>(), out.as<T>(), packs, n);
  });
}

}  // namespace steergrid
