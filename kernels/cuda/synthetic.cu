// Weights of synthetic models (kernels/synthetic.h), made on the device: one thread a Philox block of 16 columns.
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void fill(T* to, SyntheticPart part, std::int64_t first_block, std::int64_t blocks_a_row, float scale) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const std::int64_t row = i / blocks_a_row, block = first_block + i % blocks_a_row;
  if (row >= part.rows) return;
  const PhiloxCounter values = synthetic_block(part, part.first_row + row, block);
  for (std::int64_t j = 0; j < kSyntheticBlock; ++j) {
    const std::int64_t column = block * kSyntheticBlock + j - part.first_col;
    if (column >= 0 && column < part.cols)
      to[row * part.cols + column] = cuda::from_float<T>(synthetic_value(values, j, scale));
  }
}

}  // namespace

Tensor CudaBackend::make_weight(const SyntheticPart& part) {
  assert(part.rows > 0 && part.cols > 0);
  Tensor weight = allocate(part.rows, part.cols, compute_);
  const std::int64_t first = part.first_col / kSyntheticBlock;
  const std::int64_t blocks = (part.first_col + part.cols + kSyntheticBlock - 1) / kSyntheticBlock - first;
  cuda::with_type(compute_, [&](auto* type) {
    using T = cuda::Pointee<decltype(type)>;
    cuda::launch("fill", fill<T>, cuda::blocks_for(part.rows * blocks, kThreads), kThreads, 0, stream_->get(),
                 weight.view().as<T>(), part, first, blocks, synthetic_scale(part.exponent));
  });
  stream_->wait();  // as any load: another stream may read it next
  return weight;
}

}  // namespace steergrid
