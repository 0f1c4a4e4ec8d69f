// Rotary positions, in place: (a, b) -> (a cos - b sin, b cos + a sin), in float32, rounded once to the compute type.
#include <cassert>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

void CpuBackend::rope(Matrix q, Matrix k, std::span<const std::int32_t> positions, const Tensor& cos_sin,
                      int head_size) {
  const Matrix& table = cos_sin.view();
  assert(head_size % 2 == 0 && table.cols == head_size && q.cols % head_size == 0 && k.cols % head_size == 0);
  assert(q.rows == static_cast<std::int64_t>(positions.size()) && k.rows == q.rows);
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (std::int64_t r = 0; r < q.rows; ++r) {
    const std::int64_t position = positions[static_cast<std::size_t>(r)];
    assert(position >= 0 && position < table.rows);
    const float* cosines = table.as<float>() + position * head_size;
    const float* sines = cosines + head_size / 2;
    loops_.rope(q.as<float>() + r * q.cols, q.cols / head_size, head_size, cosines, sines, rounding_);
    loops_.rope(k.as<float>() + r * k.cols, k.cols / head_size, head_size, cosines, sines, rounding_);
  }
}

}  // namespace steergrid
