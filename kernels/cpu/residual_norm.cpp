// Residual stream: add the partial sums in rank order, steer, normalise; one row at a time, all in the cache.
#include <cassert>
#include <vector>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

void CpuBackend::residual_norm(Matrix x, std::span<const Matrix> partials, const Steering& steering, DType residual,
                               const Tensor& weight, float epsilon, Matrix h) {
  assert(x.dtype == DType::Float32);
  assert(steering.vector.size() == steering.coefficient.size());
  assert(steering.vector.empty() || static_cast<std::int64_t>(steering.vector.size()) == x.rows);
  assert(h.empty() || (h.rows == x.rows && h.cols == x.cols && weight.view().cols == x.cols));
  for ([[maybe_unused]] const Matrix& p : partials)
    assert(p.rows == x.rows && p.cols == x.cols && p.dtype == partials.front().dtype);
  const bool narrow = !partials.empty() && partials.front().dtype == DType::BFloat16;
  const Rounding to_residual = rounding_to(residual);
  const std::int64_t d = x.cols;
#pragma omp parallel num_threads(threads_)
  {
    std::vector<const float*> rows(partials.size());
    std::vector<float> widened(narrow ? partials.size() * static_cast<std::size_t>(d) : 0);
#pragma omp for schedule(static)
    for (std::int64_t r = 0; r < x.rows; ++r) {
      float* row = x.as<float>() + r * d;
      for (std::size_t p = 0; p < partials.size(); ++p) {
        const Matrix part = partials[p].row_range(r, 1);
        float* wide = narrow ? &widened[p * static_cast<std::size_t>(d)] : part.as<float>();
        if (narrow) widen(part.as<std::byte>(), part.dtype, d, wide);
        rows[p] = wide;
      }
      if (!rows.empty()) loops_.add(row, rows.data(), static_cast<std::int64_t>(rows.size()), d, to_residual);
      const auto at = static_cast<std::size_t>(r);
      if (!steering.vector.empty() && steering.vector[at] >= 0) {
        assert(steering.vector[at] < steering.vectors.rows && steering.vectors.cols == d);
        const float* vector = steering.vectors.as<float>() + steering.vector[at] * d;
        loops_.steer(row, vector, steering.coefficient[at], d, to_residual);
      }
      if (!h.empty()) loops_.rms_norm(row, weight.view().as<float>(), epsilon, h.as<float>() + r * d, d, rounding_);
    }
  }
}

}  // namespace steergrid
