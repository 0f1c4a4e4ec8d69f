// cuBLASLt speaks of column-major matrices: our row-major out [M, N] is its D [N, M], weight [N, K] its A [K, N]
// (transposed), in [M, K] its B [K, M].
#include "kernels/cuda/gemm.h"

#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "kernels/backend.h"
#include "kernels/cuda/check.h"

namespace steergrid::cuda {
namespace {

constexpr std::uint32_t kAlignment = 16;  // bytes; what `takes` makes true of every row

cudaDataType_t cuda_type(DType dtype) {
  switch (dtype) {
    case DType::Float32: return CUDA_R_32F;
    case DType::Float16: return CUDA_R_16F;
    case DType::BFloat16: return CUDA_R_16BF;
  }
  return CUDA_R_32F;
}

/// An attribute of an algorithm; one that this cuBLASLt does not know is nothing that could be accepted.
template <class T>
T configured(const cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulAlgoConfigAttributes_t attribute) {
  T value = 0;
  std::size_t written = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof value, &written);
  return status == CUBLAS_STATUS_SUCCESS ? value : static_cast<T>(-1);
}

/// An algorithm's attributes, as one line.
std::string described(const cublasLtMatmulAlgo_t& a) {
  return fmt::format("id {} tile {} stages {} split-K {} reduction {} swizzle {} custom {} inner {} cluster {}",
                     configured<std::int32_t>(a, CUBLASLT_ALGO_CONFIG_ID),
                     configured<std::uint32_t>(a, CUBLASLT_ALGO_CONFIG_TILE_ID),
                     configured<std::uint32_t>(a, CUBLASLT_ALGO_CONFIG_STAGES_ID),
                     configured<std::int32_t>(a, CUBLASLT_ALGO_CONFIG_SPLITK_NUM),
                     configured<std::uint32_t>(a, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME),
                     configured<std::uint32_t>(a, CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING),
                     configured<std::uint32_t>(a, CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION),
                     configured<std::uint16_t>(a, CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID),
                     configured<std::uint16_t>(a, CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID));
}

}  // namespace

struct Gemm::Problem {
  Problem(DType operand, const Key& key, std::int64_t m) {
    const auto [n, k, out, stride] = key;
    const auto rows = static_cast<std::uint64_t>(m), outputs = static_cast<std::uint64_t>(n),
               depth = static_cast<std::uint64_t>(k);
    STEERGRID_CUDA(cublasLtMatmulDescInit(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    const cublasOperation_t transposed = CUBLAS_OP_T;
    STEERGRID_CUDA(
        cublasLtMatmulDescSetAttribute(&operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
    STEERGRID_CUDA(cublasLtMatrixLayoutInit(&weight, cuda_type(operand), depth, outputs, k));
    STEERGRID_CUDA(cublasLtMatrixLayoutInit(&in, cuda_type(operand), depth, rows, k));
    STEERGRID_CUDA(cublasLtMatrixLayoutInit(&result, cuda_type(out), outputs, rows, stride));
  }
  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t weight, in, result;
};

Gemm::Gemm(DType operand, std::shared_ptr<const Stream> stream) : operand_(operand), stream_(std::move(stream)) {
  STEERGRID_CUDA(cublasLtCreate(&handle_));
}

Gemm::~Gemm() { cublasLtDestroy(handle_); }

std::string Gemm::version() {
  const std::size_t v = cublasLtGetVersion();
  return fmt::format("cuBLASLt {}.{}.{}", v / 10000, v / 100 % 100, v % 100);
}

bool Gemm::takes(std::int64_t k, DType out, std::int64_t out_stride) const {
  const auto bytes = [](std::int64_t count, DType t) { return static_cast<std::size_t>(count) * size_of(t); };
  return bytes(k, operand_) % kAlignment == 0 && bytes(out_stride, out) % kAlignment == 0;
}

void Gemm::multiply(const void* in, const void* weight, void* out, std::int64_t m, std::int64_t n, std::int64_t k,
                    DType out_dtype, std::int64_t out_stride) {
  const Key key{n, k, out_dtype, out_stride};
  const cublasLtMatmulAlgo_t& algorithm = pinned(key);
  Problem p(operand_, key, m);
  const float one = 1.0f, zero = 0.0f;
  STEERGRID_CUDA(cublasLtMatmul(handle_, &p.operation, &one, weight, &p.weight, in, &p.in, &zero, out, &p.result, out,
                                &p.result, &algorithm, nullptr, 0, stream_->get()));
}

const cublasLtMatmulAlgo_t& Gemm::pinned(const Key& key) {
  auto it = pinned_.find(key);
  if (it == pinned_.end()) it = pinned_.emplace(key, choose(key)).first;
  return it->second;
}

/// The heuristic's first answer that keeps the promises of gemm.h. Throws Error naming all that were refused, and why.
cublasLtMatmulAlgo_t Gemm::choose(const Key& key) const {
  Problem p(operand_, key, kGpuChunkRows);
  cublasLtMatmulPreferenceOpaque_t preference;
  STEERGRID_CUDA(cublasLtMatmulPreferenceInit(&preference));
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
    STEERGRID_CUDA(cublasLtMatmulPreferenceSetAttribute(&preference, what, &value, sizeof value));
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{0});
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE));
  for (const auto side : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    prefer(side, kAlignment);
  std::array<cublasLtMatmulHeuristicResult_t, 32> found{};
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle_, &p.operation, &p.weight, &p.in, &p.result, &p.result, &preference,
                                     static_cast<int>(found.size()), found.data(), &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) STEERGRID_CUDA(status);
  std::string refused;
  for (int i = 0; i < count; ++i) {
    const std::string why = refusal(found[static_cast<std::size_t>(i)], key);
    if (why.empty()) return found[static_cast<std::size_t>(i)].algo;
    refused += fmt::format("; {}: {}", described(found[static_cast<std::size_t>(i)].algo), why);
  }
  const auto [n, k, out, stride] = key;
  failed(
      "cuBLASLt offers {} algorithm(s) for {} products with N = {}, K = {} and {} results, none that keeps K whole, "
      "needs no workspace and takes every number of rows{}",
      count, name_of(operand_), n, k, name_of(out), refused);
}

/// Why an algorithm does not keep the promises of gemm.h; empty if it does.
std::string Gemm::refusal(const cublasLtMatmulHeuristicResult_t& found, const Key& key) const {
  if (found.state != CUBLAS_STATUS_SUCCESS) return cublasLtGetStatusString(found.state);
  if (found.workspaceSize != 0) return fmt::format("a workspace of {} bytes", found.workspaceSize);
  const auto split = configured<std::int32_t>(found.algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM);
  const auto reduction = configured<std::uint32_t>(found.algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME);
  if (split < 0 || split > 1 || reduction != CUBLASLT_REDUCTION_SCHEME_NONE) return "K is split";
  std::uint64_t numerics = 0;
  std::size_t written = 0;
  if (cublasLtMatmulAlgoCapGetAttribute(&found.algo, CUBLASLT_ALGO_CAP_NUMERICAL_IMPL_FLAGS, &numerics, sizeof numerics,
                                        &written) != CUBLAS_STATUS_SUCCESS)
    return "it does not say how it computes";
  if (operand_ == DType::Float32 &&
      (numerics & CUBLASLT_NUMERICAL_IMPL_FLAGS_OP_INPUT_TYPE_MASK) != CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_32F)
    return "its inputs are not float32";
  if (numerics & CUBLASLT_NUMERICAL_IMPL_FLAGS_ACCUMULATOR_16F) return "it adds in float16";
  for (const std::int64_t m :
       {std::int64_t{1}, std::int64_t{2}, std::int64_t{17}, std::int64_t{129}, kGpuChunkRows + 1})
    if (!runs(found.algo, key, m)) return fmt::format("it does not take {} rows", m);
  return "";
}

bool Gemm::runs(const cublasLtMatmulAlgo_t& algorithm, const Key& key, std::int64_t m) const {
  Problem p(operand_, key, m);
  cublasLtMatmulHeuristicResult_t result{};
  return cublasLtMatmulAlgoCheck(handle_, &p.operation, &p.weight, &p.in, &p.result, &p.result, &algorithm, &result) ==
             CUBLAS_STATUS_SUCCESS &&
         result.state == CUBLAS_STATUS_SUCCESS && result.workspaceSize == 0;
}

}  // namespace steergrid::cuda
