// What only nvcc understands, on the emulated GPU: stands in for the file of the same path under kernels/.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include "kernels/cuda/check.h"

namespace steergrid::cuda {

template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            cudaStream_t stream, Arguments... arguments) {
  emulated::launch(name, grid, block, shared_bytes, emulated::allowed_shared(reinterpret_cast<const void*>(kernel)),
                   stream, [=] { kernel(static_cast<Parameters>(arguments)...); });
}

template <class... Parameters>
void allow_shared(void (*kernel)(Parameters...), std::size_t bytes) {
  if (bytes > std::size_t{48} << 10) emulated::allowed_shared(reinterpret_cast<const void*>(kernel)) = bytes;
}

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(emulated::shared_memory());
}

/// The value in half `i` (0: low) of a word.
inline float half_of(__nv_bfloat16, std::uint32_t word, int i) {
  return bfloat16_to_float(static_cast<std::uint16_t>(word >> (16 * i)));
}
inline float half_of(__half, std::uint32_t word, int i) {
  return float16_to_float(static_cast<std::uint16_t>(word >> (16 * i)));
}

/// By the layout the PTX manual gives for mma.m16n8k16, one product after another, float64 sums.
template <class Half>
void multiply_add(Half type, float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  const auto* all = emulated::show({{a[0], a[1], a[2], a[3], b[0], b[1]}});
  const int lane = static_cast<int>(lane_of_emulated());
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    double sum = 0;
    for (int k = 0; k < 16; ++k) {
      const int a_lane = row % 8 * 4 + k % 8 / 2, a_word = row / 8 + k / 8 * 2;
      const int b_lane = column * 4 + k % 8 / 2, b_word = 4 + k / 8;
      sum += static_cast<double>(half_of(type, all[a_lane].words[a_word], k % 2)) *
             half_of(type, all[b_lane].words[b_word], k % 2);
    }
    c[i] = static_cast<float>(c[i] + sum);
  }
}

}  // namespace steergrid::cuda
