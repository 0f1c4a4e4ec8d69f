// The names of cuBLASLt that headers of kernels/cuda mention. The emulated GPU has no cuBLASLt: gemm.cpp stands in.
#pragma once

#include "cuda_runtime_api.h"

using cublasLtHandle_t = void*;
struct cublasLtMatmulAlgo_t {};
struct cublasLtMatmulHeuristicResult_t {};
enum cublasStatus_t { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_EXECUTION_FAILED = 13 };
inline const char* cublasLtGetStatusString(cublasStatus_t) { return "emulated"; }
