// The language-model head, some rows at a time: logits of the whole slice by the GEMM, then one block a row: the
// largest logit (the lowest token of equal ones), and the log-sum-exp in float64: thread t adds tokens t, t + 256, ...
// in ascending order, then a fixed tree joins the threads. The order depends on the slice alone. The logits of one
// chunk of rows are all that is ever held (at most 256 MiB, or 16 rows).
#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;

struct Summary {
  double shift, sum;  // log-sum-exp = shift + log(sum)
  float top_logit;
  std::int32_t top;  // place in the slice, -1 if every logit is NaN
};

/// The larger logit; of equal ones the lower place. A place of -1 is none.
__device__ void keep_larger(float& top, std::int32_t& place, float other, std::int32_t other_place) {
  if (other_place < 0) return;
  if (place < 0 || other > top || (other == top && other_place < place)) {
    top = other;
    place = other_place;
  }
}

/// Thread 0's values of `top` and `place` are those of the whole row; NaN logits are passed over.
__device__ void find_top(const float* logits, std::int32_t n, float& top, std::int32_t& place) {
  __shared__ float tops[kThreads];
  __shared__ std::int32_t places[kThreads];
  top = -INFINITY;
  place = -1;
  for (std::int32_t i = threadIdx.x; i < n; i += kThreads)
    if (!isnan(logits[i])) keep_larger(top, place, logits[i], i);
  tops[threadIdx.x] = top;
  places[threadIdx.x] = place;
  __syncthreads();
  for (int width = kThreads / 2; width > 0; width /= 2) {
    if (threadIdx.x < width)
      keep_larger(tops[threadIdx.x], places[threadIdx.x], tops[threadIdx.x + width], places[threadIdx.x + width]);
    __syncthreads();
  }
  top = tops[0];
  place = places[0];
}

/// `asked` [n_asked] tokens' logits go to picked [rows, n_asked]; NaN where the slice does not hold the token.
__global__ void __launch_bounds__(kThreads, 4)
    summarise(const float* logits, std::int64_t stride, std::int32_t n, std::int32_t first_id,
              const std::int32_t* asked, int n_asked, Summary* summaries, float* picked) {
  const std::int64_t r = blockIdx.x;
  const float* row = logits + r * stride;
  float top;
  std::int32_t place;
  find_top(row, n, top, place);
  // An infinite top would make inf - inf of a sum that is plainly infinite (or, all -inf, zero).
  const double shift = place >= 0 && isfinite(top) ? static_cast<double>(top) : 0.0;
  double sum = 0;
  for (std::int32_t i = threadIdx.x; i < n; i += kThreads) sum += exp(static_cast<double>(row[i]) - shift);
  sum = cuda::block_sum<kThreads>(sum);
  if (threadIdx.x == 0) summaries[r] = {shift, sum, place < 0 ? NAN : top, place};
  for (int i = threadIdx.x; i < n_asked; i += kThreads) {
    const std::int64_t at = std::int64_t{asked[i]} - first_id;
    picked[r * n_asked + i] = at >= 0 && at < n ? row[at] : NAN;
  }
}

}  // namespace

std::vector<HeadRow> CudaBackend::head(Matrix h, const Tensor& table, std::int32_t first_id,
                                       std::span<const std::int32_t> selected) {
  constexpr std::int64_t kLeastRows = 16;
  const std::int64_t vocabulary = table.view().rows;
  const std::int64_t stride = (vocabulary + 3) / 4 * 4;  // rows at multiples of 16 bytes
  assert(h.cols == table.view().cols && h.dtype == compute_);
  std::vector<HeadRow> result(static_cast<std::size_t>(h.rows));
  if (h.rows == 0) return result;
  const std::int64_t chunk = std::min(h.rows, std::max(kGpuHeadLogits / stride / kLeastRows * kLeastRows, kLeastRows));
  const auto rows = static_cast<std::size_t>(chunk), asked = selected.size();
  const auto staged = staging_.copy({std::as_bytes(selected)});
  const cuda::Scratch logits(*stream_, rows * static_cast<std::size_t>(stride) * sizeof(float));
  const cuda::Scratch device_summaries(*stream_, rows * sizeof(Summary));
  const cuda::Scratch device_picked(*stream_, rows * asked * sizeof(float));
  std::vector<Summary> summaries(rows);
  std::vector<float> picked(rows * asked);
  for (std::int64_t first = 0; first < h.rows; first += chunk) {
    const auto count = static_cast<std::size_t>(std::min(chunk, h.rows - first));
    product(h.row_range(first, static_cast<std::int64_t>(count)), table.view(), logits.as<void>(), DType::Float32,
            stride);
    cuda::launch("summarise", summarise, static_cast<unsigned>(count), kThreads, 0, stream_->get(),
                 logits.as<const float>(), stride, static_cast<std::int32_t>(vocabulary), first_id,
                 static_cast<const std::int32_t*>(staged[0]), static_cast<int>(asked), device_summaries.as<Summary>(),
                 device_picked.as<float>());
    STEERGRID_CUDA(cudaMemcpyAsync(summaries.data(), device_summaries.as<void>(), count * sizeof(Summary),
                                   cudaMemcpyDeviceToHost, stream_->get()));
    if (asked > 0)
      STEERGRID_CUDA(cudaMemcpyAsync(picked.data(), device_picked.as<void>(), count * asked * sizeof(float),
                                     cudaMemcpyDeviceToHost, stream_->get()));
    stream_->wait();
    for (std::size_t r = 0; r < count; ++r) {
      const Summary& s = summaries[r];
      HeadRow& to = result[static_cast<std::size_t>(first) + r];
      to.log_sum_exp = s.shift + std::log(s.sum);
      to.top_token = s.top < 0 ? -1 : first_id + s.top;
      to.top_logit = s.top_logit;
      const auto logit = picked.begin() + static_cast<std::ptrdiff_t>(r * asked);
      to.selected.assign(logit, logit + static_cast<std::ptrdiff_t>(asked));
    }
  }
  return result;
}

}  // namespace steergrid
