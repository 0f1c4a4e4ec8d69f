// The CPU backend: the contract of kernels/backend.h over OpenMP, oneDNN (gemm.h) and the vector loops
// (vector_loops.h). Each method is defined in the file named after it; its CUDA twin has the same stem.
//
// Activations are float32 arrays of values rounded to the compute type. Work is shared out by rows, blocks or heads;
// no result element is ever computed by two threads, so no result depends on how many there are.
#pragma once

#include <functional>

#include "kernels/backend.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/vector_loops.h"

namespace steergrid {

class CpuBackend final : public Backend {
 public:
  CpuBackend(DType compute, int threads);

  std::string name() const override;
  std::string architecture() const override;
  std::string gemm_library() const override;
  DType compute_dtype() const override;
  DType activation_dtype() const override;
  DType weight_dtype() const override;

  Tensor allocate(std::int64_t rows, std::int64_t cols, DType dtype) override;
  void upload(Matrix to, std::span<const std::byte> from) override;
  void download(Matrix from, std::span<std::byte> to) override;
  HostMemory allocate_host(std::size_t bytes) override;
  void wait() override {}
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
  /// Panel `p` of a packed weight: its outputs are rows [p * kPanel, + outputs) of the weight.
  struct Panel {
    std::int64_t first = 0, outputs = 0;
    std::byte* data = nullptr;
  };
  Panel panel(const Matrix& weight, std::int64_t p);
  /// The weight [rows, k] whose row n `fill_row` writes to [k] floats, rounded and packed; called from many threads.
  Tensor pack(std::int64_t rows, std::int64_t k, const std::function<void(std::int64_t n, float* to)>& fill_row);

  /// The rows of one call as GEMM operands (linear.cpp).
  struct Operands {
    Matrix in;
    std::int64_t copied_from;  // rows below are read where they are
    std::size_t row_bytes;
    std::vector<std::byte>* copies;
    std::byte* row(std::int64_t r) const {
      if (r < copied_from) return static_cast<std::byte*>(in.row_range(r, 1).data);
      return copies->data() + static_cast<std::size_t>(r - copied_from) * row_bytes;
    }
  };
  Operands operands(Matrix in, int block);

  DType compute_;
  Rounding rounding_;  // to the compute type
  int threads_;
  Gemm gemm_;
  const VectorLoops& loops_;
  std::vector<std::byte> gemm_input_;  // what Operands copies; grows to the largest call
};

/// Memory of at least `bytes` on a 64-byte boundary, freed by std::free. Throws Error if there is none.
void* allocate_aligned(std::size_t bytes);

/// Widens `n` values of `dtype` that may lie at any address (checkpoints align nothing).
void widen(const std::byte* from, DType dtype, std::int64_t n, float* to);

Rounding rounding_to(DType dtype);

}  // namespace steergrid
