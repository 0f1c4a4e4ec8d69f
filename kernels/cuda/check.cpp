// The sentences of failed CUDA calls, and which of them end the process.
#include "kernels/cuda/check.h"

#include <string>
#include <string_view>

#include "base/error.h"

namespace steergrid::cuda {
namespace {

/// The path from the repository's folder on, whatever the build machine called the rest.
std::string_view place_in_repository(std::string_view file) {
  const std::size_t at = file.rfind("kernels/");
  return at == std::string_view::npos ? file : file.substr(at);
}

/// Errors after which this process can compute no more on the GPU ("the process must be terminated and relaunched",
/// says the runtime's documentation), whatever it is asked to.
bool ends_the_process(cudaError_t status) {
  switch (status) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    case cudaErrorUnknown: return true;
    default: return false;
  }
}

/// Of a GPU that is lost to this process the other units of the run must not be blamed: it leaves, to be run again.
[[noreturn]] void lost(const std::string& what) {
  throw Error(ExitCode::RunAgain, what + ": this process can compute no more; the same command goes on");
}

[[noreturn]] void fail(cudaError_t status, const std::string& what) {
  if (ends_the_process(status)) lost(what);
  failed("{}", what);
}

}  // namespace

void check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears what can be cleared: the next launch is not to blame
  if (status == cudaErrorMemoryAllocation)
    failed("Out of GPU memory: {} ({}:{})", call, place_in_repository(file), line);
  fail(status, fmt::format("CUDA call {} failed: {} ({}:{})", call, cudaGetErrorString(status),
                           place_in_repository(file), line));
}

void check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string what = fmt::format("cuBLASLt call {} failed: {} ({}:{})", call, cublasLtGetStatusString(status),
                                       place_in_repository(file), line);
  if (status == CUBLAS_STATUS_EXECUTION_FAILED) lost(what);
  failed("{}", what);
}

void check_launch(const char* kernel) {
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess)
    fail(status, fmt::format("CUDA kernel {} was not launched: {}", kernel, cudaGetErrorString(status)));
}

void unsupported(const char* what, long long found, long long limit) {
  failed("The CUDA backend takes {} up to {}, not {}", what, limit, found);
}

}  // namespace steergrid::cuda
