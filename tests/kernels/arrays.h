// Helpers of the kernel tests: seeded random arrays, poisoned results, and doubles to compare with. The references in
// the tests are plain float64 loops written from the contract, not from the kernels.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/backend.h"

namespace steergrid::testing {

inline std::vector<float> random_values(std::int64_t n, unsigned seed, DType dtype = DType::Float32,
                                        float scale = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& v : values) v = round_to(dtype, normal(generator));
  return values;
}

inline Tensor tensor_of(Backend& backend, std::int64_t rows, std::int64_t cols, const std::vector<float>& values) {
  Tensor t = backend.allocate(rows, cols, DType::Float32);
  backend.upload(t.view(), std::as_bytes(std::span(values)));
  return t;
}

/// A result buffer full of NaN: what a kernel forgets to write shows.
inline Tensor poisoned(Backend& backend, std::int64_t rows, std::int64_t cols) {
  const std::vector<float> nan(static_cast<std::size_t>(rows * cols), std::numeric_limits<float>::quiet_NaN());
  return tensor_of(backend, rows, cols, nan);
}

inline std::vector<float> values_of(Backend& backend, const Matrix& m) {
  std::vector<float> values(static_cast<std::size_t>(m.rows * m.cols));
  backend.download(m, std::as_writable_bytes(std::span(values)));
  return values;
}

/// Values that `dtype` holds, in it.
inline Tensor upload_as(Backend& on, DType dtype, std::int64_t rows, std::int64_t cols,
                        const std::vector<float>& values) {
  if (dtype == DType::Float32) return tensor_of(on, rows, cols, values);
  std::vector<std::uint16_t> halves;
  halves.reserve(values.size());
  for (const float v : values) halves.push_back(dtype == DType::BFloat16 ? float_to_bfloat16(v) : float_to_float16(v));
  Tensor t = on.allocate(rows, cols, dtype);
  on.upload(t.view(), std::as_bytes(std::span(halves)));
  return t;
}

/// Any matrix, widened to float32.
inline std::vector<float> widened(Backend& on, const Matrix& m) {
  if (m.dtype == DType::Float32) return values_of(on, m);
  std::vector<std::uint16_t> halves(static_cast<std::size_t>(m.rows * m.cols));
  on.download(m, std::as_writable_bytes(std::span(halves)));
  std::vector<float> values;
  values.reserve(halves.size());
  for (const std::uint16_t h : halves)
    values.push_back(m.dtype == DType::BFloat16 ? bfloat16_to_float(h) : float16_to_float(h));
  return values;
}

inline HostMatrix host(const std::vector<float>& values, std::int64_t rows, std::int64_t cols) {
  return {reinterpret_cast<const std::byte*>(values.data()), rows, cols, cols, DType::Float32};
}

/// Whether `count` floats have the same bits.
inline bool same_bits(const float* a, const float* b, std::int64_t count) {
  return std::memcmp(a, b, static_cast<std::size_t>(count) * sizeof(float)) == 0;
}

/// Half a unit in the last place of the compute type, relative; float32 results get room for their accumulation.
inline double rounding_error(DType dtype) {
  switch (dtype) {
    case DType::BFloat16: return 0x1p-8;
    case DType::Float16: return 0x1p-10;
    case DType::Float32: break;
  }
  return 2e-6;
}

inline const DType kDTypes[] = {DType::Float32, DType::Float16, DType::BFloat16};
inline const std::int64_t kOddRows[] = {1, 33, 127, 129};

}  // namespace steergrid::testing
