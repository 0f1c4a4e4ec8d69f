// Copies of chosen rows.
#include <cassert>
#include <cstring>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

void CpuBackend::gather_rows(Matrix from, std::span<const std::int64_t> rows, Matrix to) {
  assert(to.rows == static_cast<std::int64_t>(rows.size()) && to.cols == from.cols && to.dtype == from.dtype);
  const std::size_t bytes = static_cast<std::size_t>(from.cols) * size_of(from.dtype);
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (std::int64_t r = 0; r < to.rows; ++r) {
    const std::int64_t row = rows[static_cast<std::size_t>(r)];
    assert(row >= 0 && row < from.rows);
    std::memcpy(to.row_range(r, 1).data, from.row_range(row, 1).data, bytes);
  }
}

}  // namespace steergrid
