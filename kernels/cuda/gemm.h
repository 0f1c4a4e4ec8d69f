// Matrix products by cuBLASLt with one pinned algorithm a shape: out [M, N] = in [M, K] * weight [N, K]^T.
//
// What makes a row's bits depend on the row alone: the algorithm is chosen once for (N, K, output type, output stride),
// by the heuristic at one fixed M, without workspace, reduction or split over K; it is then used for every M. Only
// algorithms that cuBLASLt accepts for few rows as for many are taken. Alignments asked for hold for every row of a
// buffer, so a chunk's place does not matter. (What cuBLASLt does with the same algorithm at another M is tested on the
// device: tests/kernels/cuda/linear_test.cpp.) Float32 products are float32: an algorithm on TF32 is refused.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "base/dtype.h"
#include "kernels/cuda/stream.h"

namespace steergrid::cuda {

class Gemm {
 public:
  Gemm(DType operand, std::shared_ptr<const Stream> stream);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /// "cuBLASLt 13.0.2".
  static std::string version();

  /// Whether rows of K operands and `out_stride` outputs begin at multiples of 16 bytes; others are not for cuBLASLt.
  bool takes(std::int64_t k, DType out, std::int64_t out_stride) const;

  /// Queues the product; `in` and `weight` are of the operand type without gaps. M > 0.
  void multiply(const void* in, const void* weight, void* out, std::int64_t m, std::int64_t n, std::int64_t k,
                DType out_dtype, std::int64_t out_stride);

 private:
  struct Problem;                                                           // the descriptors of one product
  using Key = std::tuple<std::int64_t, std::int64_t, DType, std::int64_t>;  // N, K, output type and stride
  const cublasLtMatmulAlgo_t& pinned(const Key& key);
  cublasLtMatmulAlgo_t choose(const Key& key) const;
  std::string refusal(const cublasLtMatmulHeuristicResult_t& found, const Key& key) const;
  bool runs(const cublasLtMatmulAlgo_t& algorithm, const Key& key, std::int64_t m) const;

  DType operand_;
  std::shared_ptr<const Stream> stream_;
  cublasLtHandle_t handle_ = nullptr;
  std::map<Key, cublasLtMatmulAlgo_t> pinned_;
};

}  // namespace steergrid::cuda
