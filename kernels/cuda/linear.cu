// out = in * weight^T by cuBLASLt (gemm.h), which wants rows that begin at multiples of 16 bytes. Shapes without that,
// which no Llama has, go through a plain kernel: one thread an output, one chain of fused multiply-adds over K. Which
// of the two it is depends on N, K and the types alone.
#include <algorithm>
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kOutputs = 32, kRows = 8;  // of a block of the plain kernel

template <class T, class Out>
__global__ void plain_product(const T* in, const T* weight, Out* out, std::int64_t m, std::int64_t n, std::int64_t k,
                              std::int64_t out_stride) {
  const std::int64_t column = std::int64_t{blockIdx.x} * kOutputs + threadIdx.x;
  if (column >= n) return;
  for (std::int64_t row = std::int64_t{blockIdx.y} * kRows + threadIdx.y; row < m;
       row += std::int64_t{gridDim.y} * kRows) {
    float sum = 0;
    for (std::int64_t i = 0; i < k; ++i)
      sum = fmaf(cuda::to_float(in[row * k + i]), cuda::to_float(weight[column * k + i]), sum);
    out[row * out_stride + column] = cuda::from_float<Out>(sum);
  }
}

}  // namespace

void CudaBackend::product(Matrix in, Matrix weight, void* out, DType out_dtype, std::int64_t out_stride) {
  const std::int64_t m = in.rows, n = weight.rows, k = weight.cols;
  if (gemm_.takes(k, out_dtype, out_stride)) {
    gemm_.multiply(in.data, weight.data, out, m, n, k, out_dtype, out_stride);
    return;
  }
  const unsigned row_blocks = std::min(cuda::blocks_for(m, kRows), 65535u);
  const dim3 grid(cuda::blocks_for(n, kOutputs), row_blocks), block(kOutputs, kRows);
  cuda::with_type(compute_, [&](auto* type) {
    using T = cuda::Pointee<decltype(type)>;
    const auto launch = [&](auto* to) {
      cuda::launch("plain_product", plain_product<T, cuda::Pointee<decltype(to)>>, grid, block, 0, stream_->get(),
                   in.as<const T>(), weight.as<const T>(), to, m, n, k, out_stride);
    };
    if (out_dtype == compute_)
      launch(static_cast<T*>(out));
    else
      launch(static_cast<float*>(out));
  });
}

void CudaBackend::linear(Matrix in, const Tensor& weight, Matrix out, Round round) {
  const Matrix& w = weight.view();
  assert(in.cols == w.cols && out.cols == w.rows && out.rows == in.rows);
  assert(in.dtype == compute_ && w.dtype == compute_);
  assert(out.dtype == compute_ || (round == Round::None && out.dtype == DType::Float32));
  assert(round == Round::ToCompute || out.dtype != DType::Float16);
  static_cast<void>(round);
  if (in.rows > 0) product(in, w, out.data, out.dtype, out.cols);
}

}  // namespace steergrid
