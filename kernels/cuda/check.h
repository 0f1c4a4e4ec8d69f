// Checked CUDA calls. Every call of the runtime and of cuBLASLt goes through STEERGRID_CUDA, which throws an Error
// naming the call and its place; every launch is followed by check_launch. The Error is made in check.cpp, so that .cu
// files need no formatting library.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstddef>

namespace steergrid::cuda {

/// Throws Error if `status` is not success: failed, or (run again) where the GPU is lost to this process. Out of memory
/// gets its own sentence.
void check(cudaError_t status, const char* call, const char* file, int line);
void check(cublasStatus_t status, const char* call, const char* file, int line);

/// Throws Error if the launch of `kernel` just before was refused (a kernel's own failure shows at the next wait).
void check_launch(const char* kernel);

/// Throws Error: this backend cannot do it, `what` says why.
[[noreturn]] void unsupported(const char* what, long long found, long long limit);

}  // namespace steergrid::cuda

#define STEERGRID_CUDA(call) ::steergrid::cuda::check((call), #call, __FILE__, __LINE__)
