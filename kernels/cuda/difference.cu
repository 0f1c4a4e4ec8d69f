// Sums of pair differences: one thread a column, pairs in ascending order, float64 from the host's sums on (the CPU's
// bits). Norms: one block a row, float64, columns of a thread in ascending order and then a fixed tree; the host adds
// the norms in the order of the pairs.
#include <algorithm>
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kColumns = 64;  // threads of a block of sums: a few thousand columns should reach every multiprocessor
constexpr int kThreads = 256;

__global__ void add_differences(const float* x, std::int64_t cols, const std::int64_t* a, const std::int64_t* b,
                                std::int64_t pairs, double* sums) {
  const std::int64_t c = std::int64_t{blockIdx.x} * kColumns + threadIdx.x;
  if (c >= cols) return;
  double sum = sums[c];
#pragma unroll 8
  for (std::int64_t i = 0; i < pairs; ++i) sum += static_cast<double>(x[a[i] * cols + c] - x[b[i] * cols + c]);
  sums[c] = sum;
}

__global__ void __launch_bounds__(kThreads)
    row_norms(const float* x, std::int64_t cols, const std::int64_t* a, const std::int64_t* b, double* norms) {
  const std::int64_t pair = blockIdx.x / 2;
  const float* row = x + (blockIdx.x % 2 == 0 ? a[pair] : b[pair]) * cols;
  double squares = 0;
  for (std::int64_t c = threadIdx.x; c < cols; c += kThreads)
    squares += static_cast<double>(row[c]) * static_cast<double>(row[c]);
  squares = cuda::block_sum<kThreads>(squares);
  if (threadIdx.x == 0) norms[blockIdx.x] = sqrt(squares);
}

}  // namespace

void CudaBackend::difference_sums(Matrix x, std::span<const std::int64_t> a, std::span<const std::int64_t> b,
                                  std::span<double> sums, double& norm_sum) {
  assert(a.size() == b.size() && static_cast<std::int64_t>(sums.size()) == x.cols && x.dtype == DType::Float32);
  for ([[maybe_unused]] const auto rows : {a, b})
    for ([[maybe_unused]] const std::int64_t row : rows) assert(row >= 0 && row < x.rows);
  if (a.empty() || sums.empty()) return;
  const auto staged = staging_.copy({std::as_bytes(a), std::as_bytes(b)});
  const auto *left = static_cast<const std::int64_t*>(staged[0]), *right = static_cast<const std::int64_t*>(staged[1]);
  std::vector<double> norms(2 * a.size()), added(sums.size());
  const cuda::Scratch device_sums(*stream_, sums.size_bytes());
  const cuda::Scratch device_norms(*stream_, norms.size() * sizeof(double));
  const auto pairs = static_cast<std::int64_t>(a.size());
  const cudaStream_t on = stream_->get();
  STEERGRID_CUDA(cudaMemcpyAsync(device_sums.as<void>(), sums.data(), sums.size_bytes(), cudaMemcpyHostToDevice, on));
  cuda::launch("add_differences", add_differences, cuda::blocks_for(x.cols, kColumns), kColumns, 0, on,
               x.as<const float>(), x.cols, left, right, pairs, device_sums.as<double>());
  cuda::launch("row_norms", row_norms, static_cast<unsigned>(2 * pairs), kThreads, 0, on, x.as<const float>(), x.cols,
               left, right, device_norms.as<double>());
  STEERGRID_CUDA(cudaMemcpyAsync(added.data(), device_sums.as<void>(), sums.size_bytes(), cudaMemcpyDeviceToHost, on));
  STEERGRID_CUDA(cudaMemcpyAsync(norms.data(), device_norms.as<void>(), norms.size() * sizeof(double),
                                 cudaMemcpyDeviceToHost, on));
  stream_->wait();  // throws if a kernel failed: then the caller's sums are as they were
  std::ranges::copy(added, sums.begin());
  for (const double norm : norms) norm_sum += norm;  // a[0], b[0], a[1], b[1], ...
}

}  // namespace steergrid
