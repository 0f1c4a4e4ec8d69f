// Sums of pair differences: the threads share out columns (sums) and rows (norms); each sum runs in index order.
#include <cassert>
#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

void CpuBackend::difference_sums(Matrix x, std::span<const std::int64_t> a, std::span<const std::int64_t> b,
                                 std::span<double> sums, double& norm_sum) {
  assert(a.size() == b.size() && static_cast<std::int64_t>(sums.size()) == x.cols && x.dtype == DType::Float32);
  constexpr std::int64_t kColumns = 256;
  const auto row = [&](std::int64_t r) {
    assert(r >= 0 && r < x.rows);
    return x.as<float>() + r * x.cols;
  };
  const auto pairs = static_cast<std::int64_t>(a.size());
  std::vector<double> norms(2 * a.size());
#pragma omp parallel num_threads(threads_)
  {
#pragma omp for schedule(static) nowait
    for (std::int64_t first = 0; first < x.cols; first += kColumns) {
      const std::int64_t end = std::min(first + kColumns, x.cols);
      for (std::size_t i = 0; i < a.size(); ++i) {
        const float *left = row(a[i]), *right = row(b[i]);
        for (std::int64_t c = first; c < end; ++c) sums[static_cast<std::size_t>(c)] += left[c] - right[c];
      }
    }
#pragma omp for schedule(static)
    for (std::int64_t i = 0; i < 2 * pairs; ++i) {
      const auto at = static_cast<std::size_t>(i / 2);
      const float* values = row(i % 2 == 0 ? a[at] : b[at]);
      double squares = 0;
      for (std::int64_t c = 0; c < x.cols; ++c) squares += static_cast<double>(values[c]) * values[c];
      norms[static_cast<std::size_t>(i)] = std::sqrt(squares);
    }
  }
  for (const double norm : norms) norm_sum += norm;  // a[0], b[0], a[1], b[1], ...
}

}  // namespace steergrid
