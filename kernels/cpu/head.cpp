// The language-model head, some rows at a time: logits of the whole slice, their largest, their log-sum-exp in float64.
// The logits of one chunk of rows are all that is ever held (at most 32 MiB, or 16 rows).
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

std::vector<HeadRow> CpuBackend::head(Matrix h, const Tensor& table, std::int32_t first_id,
                                      std::span<const std::int32_t> selected) {
  const std::int64_t vocabulary = table.view().rows;
  const std::int64_t chunk = std::max<std::int64_t>(kHeadLogits / vocabulary / kSmallBlock * kSmallBlock, kSmallBlock);
  std::vector<HeadRow> result(static_cast<std::size_t>(h.rows));
  const Tensor memory = allocate(std::min(chunk, h.rows), vocabulary, DType::Float32);
  for (std::int64_t first = 0; first < h.rows; first += chunk) {
    const std::int64_t count = std::min(chunk, h.rows - first);
    const Matrix logits = memory.row_range(0, count);
    linear(h.row_range(first, count), table, logits, Round::None);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t r = 0; r < count; ++r) {
      const float* row = logits.as<float>() + r * vocabulary;
      const LogitSummary summary = loops_.log_sum_exp(row, vocabulary);
      HeadRow& to = result[static_cast<std::size_t>(first + r)];
      to.log_sum_exp = summary.shift + std::log(summary.sum);
      to.top_token = summary.top < 0 ? -1 : first_id + static_cast<std::int32_t>(summary.top);
      to.top_logit = summary.top_logit;
      for (const std::int32_t token : selected) {
        const std::int64_t at = std::int64_t{token} - first_id;
        to.selected.push_back(at >= 0 && at < vocabulary ? row[at] : std::numeric_limits<float>::quiet_NaN());
      }
    }
  }
  return result;
}

}  // namespace steergrid
