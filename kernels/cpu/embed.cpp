// Rows of the embedding table, read out of the panels that `load_weight` packed (tied models use one tensor for both).
#include <cassert>
#include <cstring>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

void CpuBackend::embed(std::span<const std::int32_t> ids, const Tensor& table, std::int32_t first_id, Matrix x) {
  const Matrix& w = table.view();
  assert(x.rows == static_cast<std::int64_t>(ids.size()) && x.cols == w.cols && x.dtype == DType::Float32);
  const std::int64_t panels = (w.rows + kPanel - 1) / kPanel;
  const Gemm::Layout& last = gemm_.layout(w.rows - (panels - 1) * kPanel, w.cols);
  const Gemm::Layout& full = panels > 1 ? gemm_.layout(kPanel, w.cols) : last;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (std::int64_t r = 0; r < x.rows; ++r) {
    float* row = x.as<float>() + r * x.cols;
    const std::int64_t id = std::int64_t{ids[static_cast<std::size_t>(r)]} - first_id;
    if (id < 0 || id >= w.rows) {
      std::memset(row, 0, static_cast<std::size_t>(x.cols) * sizeof(float));
      continue;
    }
    const Panel from = panel(w, id / kPanel);
    const Gemm::Layout& layout = id / kPanel + 1 < panels ? full : last;
    const std::int64_t start = layout.n_offset[static_cast<std::size_t>(id - from.first)];
    for (std::int64_t i = 0; i < x.cols; ++i) {
      const std::int64_t at = start + layout.k_offset[static_cast<std::size_t>(i)];
      row[i] = w.dtype == DType::BFloat16 ? bfloat16_to_float(reinterpret_cast<const std::uint16_t*>(from.data)[at])
                                          : reinterpret_cast<const float*>(from.data)[at];
    }
  }
}

}  // namespace steergrid
