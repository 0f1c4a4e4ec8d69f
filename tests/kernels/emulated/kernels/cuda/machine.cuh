// What only nvcc understands, on the emulated GPU: stands in for the file of the same path under kernels/.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cmath>

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

inline int exponent(float x, int least) { return x == 0.0f ? least : std::max(least, std::ilogb(x)); }
constexpr int least_exponent(__nv_bfloat16) { return -126; }
constexpr int least_exponent(__half) { return -14; }

/// c + a.b as tensor cores are seen to add (Fasi, Higham, Mikaitis and Pranesh, PeerJ CS 2021): all terms are cut to
/// the last bit of the one with the largest exponent, and so is the sum. What nobody has published is whether a product
/// with a zero takes part in that with its other factor's exponent: here it does, so that a kernel which would let an
/// unseen value cut off bits of seen ones fails.
template <class Half>
float dot(Half type, float c, const std::array<float, 16>& a, const std::array<float, 16>& b) {
  constexpr int kBits = 24;  // below the largest exponent
  double plain = c;
  for (std::size_t k = 0; k < 16; ++k) plain += static_cast<double>(a[k]) * b[k];
  if (!std::isfinite(plain)) return static_cast<float>(plain);
  int largest = exponent(c, -126);
  for (std::size_t k = 0; k < 16; ++k)
    largest = std::max(largest, exponent(a[k], least_exponent(type)) + exponent(b[k], least_exponent(type)));
  const double unit = std::ldexp(1.0, largest - kBits);
  double sum = std::trunc(c / unit);
  for (std::size_t k = 0; k < 16; ++k) sum += std::trunc(static_cast<double>(a[k]) * b[k] / unit);
  const auto near = static_cast<float>(sum * unit);
  return std::abs(static_cast<double>(near)) > std::abs(sum * unit) ? std::nextafter(near, 0.0f) : near;
}

/// By the layout the PTX manual gives for mma.m16n8k16.
template <class Half>
void multiply_add(Half type, float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  const auto* all = emulated::show({{a[0], a[1], a[2], a[3], b[0], b[1]}});
  const int lane = static_cast<int>(lane_of_emulated());
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    std::array<float, 16> left{}, right{};
    for (int k = 0; k < 16; ++k) {
      const int a_lane = row % 8 * 4 + k % 8 / 2, a_word = row / 8 + k / 8 * 2;
      const int b_lane = column * 4 + k % 8 / 2, b_word = 4 + k / 8;
      left[static_cast<std::size_t>(k)] = half_of(type, all[a_lane].words[a_word], k % 2);
      right[static_cast<std::size_t>(k)] = half_of(type, all[b_lane].words[b_word], k % 2);
    }
    c[i] = dot(type, c[i], left, right);
  }
}

}  // namespace steergrid::cuda
