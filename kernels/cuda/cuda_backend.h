// The CUDA backend: the contract of kernels/backend.h on one GPU, over cuBLASLt (gemm.h) and own kernels. Each method
// is defined in the file named after it; its CPU twin has the same stem and is the reference.
//
// Activations are row-major arrays of the compute type, the residual stream is float32. Everything is queued on one
// stream; only `download`, `upload`, loads, `difference_sums` and `head` wait for it. No atomics, no split sums: a
// row's bits depend on the row alone. Used by one thread, whose current device it sets.
#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/stream.h"

namespace steergrid {

class CudaBackend final : public Backend {
 public:
  CudaBackend(DType compute, int device);

  std::string name() const override;
  std::string architecture() const override;
  std::string gemm_library() const override;
  DType compute_dtype() const override;
  DType activation_dtype() const override;
  DType weight_dtype() const override;
  void* queue() const override;

  Tensor allocate(std::int64_t rows, std::int64_t cols, DType dtype) override;
  void upload(Matrix to, std::span<const std::byte> from) override;
  void download(Matrix from, std::span<std::byte> to) override;
  HostMemory allocate_host(std::size_t bytes) override;
  void wait() override;
  std::int64_t peak_bytes() const override;
  std::unique_ptr<Backend> sibling() const override;
  Tensor load_weight(const HostMatrix& from) override;
  Tensor make_weight(const SyntheticPart& part) override;
  Tensor load_norm(const HostMatrix& from) override;

  void embed(std::span<const std::int32_t> ids, const Tensor& table, std::int32_t first_id, Matrix x) override;
  void residual_norm(Matrix x, std::span<const Matrix> partials, const Steering& steering, DType residual,
                     const Tensor& weight, float epsilon, Matrix h) override;
  void linear(Matrix in, const Tensor& weight, Matrix out, Round round) override;
  void rope(Matrix q, Matrix k, std::span<const std::int32_t> positions, const Tensor& cos_sin, int head_size) override;
  void attention(Matrix q, Matrix k, Matrix v, std::span<const Segment> segments, int head_size, Matrix out) override;
  void swiglu(Matrix gate, Matrix up, Matrix out) override;
  void gather_rows(Matrix from, std::span<const std::int64_t> rows, Matrix to) override;
  void difference_sums(Matrix x, std::span<const std::int64_t> a, std::span<const std::int64_t> b,
                       std::span<double> sums, double& norm_sum) override;
  std::vector<HeadRow> head(Matrix h, const Tensor& table, std::int32_t first_id,
                            std::span<const std::int32_t> selected) override;

 private:
  /// out = in * weight^T; `out_stride` elements from one row of out to the next (linear.cu).
  void product(Matrix in, Matrix weight, void* out, DType out_dtype, std::int64_t out_stride);

  DType compute_;
  std::string architecture_;
  std::shared_ptr<const cuda::Stream> stream_;
  cuda::Staging staging_;
  cuda::Gemm gemm_;
};

}  // namespace steergrid
