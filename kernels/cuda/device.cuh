// What device code shares: values of the compute type as float32, rounding, e^x with the CPU's bits, sums over a block
// in a fixed tree, and the choice of a template by DType.
//
// The sources are compiled without contraction (-fmad=false): a*b+c here has the bits of the CPU's loops; code that
// wants a fused multiply-add says fmaf.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/check.h"
#include "kernels/cuda/machine.cuh"
#include "kernels/tensor.h"

namespace steergrid::cuda {

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(__half v) { return __half2float(v); }
__device__ __forceinline__ float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }

template <class T>
__device__ __forceinline__ T from_float(float v);
template <>
__device__ __forceinline__ float from_float<float>(float v) {
  return v;
}
template <>
__device__ __forceinline__ __half from_float<__half>(float v) {
  return __float2half_rn(v);
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float v) {
  return __float2bfloat16_rn(v);
}

/// `v` rounded to T and widened again.
template <class T>
__device__ __forceinline__ float rounded(float v) {
  return to_float(from_float<T>(v));
}

/// e^x as `exponential` of kernels/cpu/lanes.h: the same operations, the same bits.
__device__ __forceinline__ float exponential(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = 89.0f < x ? 89.0f : x;
  constexpr float kToInteger = 12582912.0f;
  const float shifted = x * 1.44269504088896341f + kToInteger;
  const float n = shifted - kToInteger;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float y = r * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = (y * (r * r) + r) + 1.0f;
  const std::uint32_t biased = __float_as_uint(shifted) - 0x4b400000u + 254u;
  const std::uint32_t half = biased >> 1;
  return (y * __uint_as_float(half << 23)) * __uint_as_float((biased - half) << 23);
}

/// Sum of one value a thread in a fixed tree; every thread gets it. kThreads is the block's size, a power of two.
template <int kThreads>
__device__ __forceinline__ double block_sum(double value) {
  __shared__ double values[kThreads];
  __syncthreads();  // a sum before this one may still be read
  values[threadIdx.x] = value;
  __syncthreads();
  for (int width = kThreads / 2; width > 0; width /= 2) {
    if (threadIdx.x < width) values[threadIdx.x] += values[threadIdx.x + width];
    __syncthreads();
  }
  return values[0];
}

/// Calls f with a null pointer of the device type of `dtype`: with_type(t, [&](auto* p) { using T = ...; }).
template <class F>
void with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::Float32: return f(static_cast<float*>(nullptr));
    case DType::Float16: return f(static_cast<__half*>(nullptr));
    case DType::BFloat16: return f(static_cast<__nv_bfloat16*>(nullptr));
  }
}
template <class Pointer>
using Pointee = std::remove_pointer_t<Pointer>;

inline unsigned blocks_for(std::int64_t items, int per_block) {
  return static_cast<unsigned>((items + per_block - 1) / per_block);
}

}  // namespace steergrid::cuda
