// What the CUDA backend is: its name, its device and its library, as a run's identity records them.
#include "kernels/cuda/cuda_backend.h"

namespace steergrid {

CudaBackend::CudaBackend(DType compute, int device)
    : compute_(compute),
      architecture_(cuda::describe_device(device)),
      stream_(std::make_shared<const cuda::Stream>(device)),
      staging_(stream_),
      gemm_(compute, stream_) {}

std::string CudaBackend::name() const { return "cuda"; }

std::string CudaBackend::architecture() const { return architecture_; }

std::string CudaBackend::gemm_library() const { return cuda::Gemm::version(); }

DType CudaBackend::compute_dtype() const { return compute_; }

DType CudaBackend::activation_dtype() const { return compute_; }

DType CudaBackend::weight_dtype() const { return compute_; }

void* CudaBackend::queue() const { return stream_->get(); }

std::unique_ptr<Backend> make_cuda_backend(DType compute, int device) {
  return std::make_unique<CudaBackend>(compute, device);
}

bool has_cuda_backend() { return true; }

}  // namespace steergrid
