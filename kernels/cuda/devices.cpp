// Which GPUs there are.
#include <fmt/format.h>

#include "base/error.h"
#include "kernels/backend.h"
#include "kernels/cuda/check.h"

namespace steergrid {

std::vector<Gpu> visible_gpus() {
  int count = 0, driver = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0)
    bad_input(
        "this machine's NVIDIA driver is one of CUDA {}.{}: expected one of CUDA {}.{} or later, or --backend cpu",
        driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) return {};  // or no driver at all
  cuda::check(status, "cudaGetDeviceCount", __FILE__, __LINE__);
  std::vector<Gpu> found;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties{};
    STEERGRID_CUDA(cudaGetDeviceProperties(&properties, device));
    std::string uuid = "GPU-";
    for (const char byte : properties.uuid.bytes) uuid += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    found.push_back({properties.name, uuid, static_cast<std::int64_t>(properties.totalGlobalMem)});
  }
  return found;
}

}  // namespace steergrid
