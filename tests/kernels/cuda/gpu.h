// Helpers of the CUDA tests: the fixture that skips without a GPU, and arrays in a backend's own types. Every test runs
// one operation on both backends on the same values (already rounded to the compute type) and compares.
#pragma once

#include <string_view>

#include "base/error.h"
#include "tests/kernels/arrays.h"

namespace steergrid::testing {

/// Tests on the first GPU. Only "no CUDA device" skips; any other Error of a machine with a GPU fails the test.
class Gpu : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      make_cuda_backend(DType::Float32, 0);
    } catch (const Error& e) {
      if (!std::string_view(e.what()).starts_with("no CUDA device")) throw;
      GTEST_SKIP() << e.what();
    }
  }
  static std::unique_ptr<Backend> gpu(DType compute) { return make_cuda_backend(compute, 0); }
  static std::unique_ptr<Backend> cpu(DType compute) { return make_cpu_backend(compute, 2); }
};

inline Tensor upload_as(Backend& on, DType dtype, std::int64_t rows, std::int64_t cols,
                        const std::vector<float>& values) {
  if (dtype == DType::Float32) return tensor_of(on, rows, cols, values);
  std::vector<std::uint16_t> halves;
  for (const float v : values) halves.push_back(dtype == DType::BFloat16 ? float_to_bfloat16(v) : float_to_float16(v));
  Tensor t = on.allocate(rows, cols, dtype);
  on.upload(t.view(), std::as_bytes(std::span(halves)));
  return t;
}

/// In the type that the backend keeps activations in.
inline Tensor activations(Backend& on, std::int64_t rows, std::int64_t cols, const std::vector<float>& values) {
  return upload_as(on, on.activation_dtype(), rows, cols, values);
}

inline Tensor poisoned_as(Backend& on, DType dtype, std::int64_t rows, std::int64_t cols) {
  return upload_as(on, dtype, rows, cols, std::vector<float>(static_cast<std::size_t>(rows * cols), std::nanf("")));
}

inline Tensor poisoned_activations(Backend& on, std::int64_t rows, std::int64_t cols) {
  return poisoned_as(on, on.activation_dtype(), rows, cols);
}

/// Any matrix, widened to float32.
inline std::vector<float> widened(Backend& on, const Matrix& m) {
  if (m.dtype == DType::Float32) return values_of(on, m);
  std::vector<std::uint16_t> halves(static_cast<std::size_t>(m.rows * m.cols));
  on.download(m, std::as_writable_bytes(std::span(halves)));
  std::vector<float> values;
  for (const std::uint16_t h : halves)
    values.push_back(m.dtype == DType::BFloat16 ? bfloat16_to_float(h) : float16_to_float(h));
  return values;
}

/// Every pair of values within `relative` of the expected one or `absolute`; stops at the first that is not.
inline void expect_near(const std::vector<float>& found, const std::vector<float>& expected, double relative,
                        double absolute) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], relative * std::abs(expected[i]) + absolute) << "value " << i;
}

/// A step of the compute type, relative: two results that differ before rounding may fall to either side.
inline double one_step(DType dtype) { return 2 * rounding_error(dtype); }

/// The emulated GPU (tests/kernels/emulated) runs the same lines some thousand times slower: fewer rows, the odd ones.
inline constexpr bool kEmulated = STEERGRID_EMULATED_GPU;
inline const std::vector<std::int64_t> kGpuRows =
    kEmulated ? std::vector<std::int64_t>{1, 33, 67} : std::vector<std::int64_t>{1, 33, 127, 129, 4095};

}  // namespace steergrid::testing
