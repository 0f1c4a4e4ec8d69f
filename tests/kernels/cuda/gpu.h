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
