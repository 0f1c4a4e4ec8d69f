// The sentences of failed CUDA calls.
#include "kernels/cuda/check.h"

#include <string_view>

#include "base/error.h"

namespace steergrid::cuda {
namespace {

/// The path from the repository's folder on, whatever the build machine called the rest.
std::string_view place_in_repository(std::string_view file) {
  const std::size_t at = file.rfind("kernels/");
  return at == std::string_view::npos ? file : file.substr(at);
}

}  // namespace

void check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears what can be cleared: the next launch is not to blame
  if (status == cudaErrorMemoryAllocation)
    failed("Out of GPU memory: {} ({}:{})", call, place_in_repository(file), line);
  failed("CUDA call {} failed: {} ({}:{})", call, cudaGetErrorString(status), place_in_repository(file), line);
}

void check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  failed("cuBLASLt call {} failed: {} ({}:{})", call, cublasLtGetStatusString(status), place_in_repository(file), line);
}

void check_launch(const char* kernel) {
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess) failed("CUDA kernel {} was not launched: {}", kernel, cudaGetErrorString(status));
}

void unsupported(const char* what, long long found, long long limit) {
  failed("The CUDA backend takes {} up to {}, not {}", what, limit, found);
}

}  // namespace steergrid::cuda
