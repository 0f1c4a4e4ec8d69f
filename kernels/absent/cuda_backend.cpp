// Stands in for kernels/cuda in a build without CUDA: the same functions, one of which says how to get the other build.
#include "base/error.h"
#include "kernels/backend.h"

namespace steergrid {

std::unique_ptr<Backend> make_cuda_backend(DType, int) {
  bad_input(
      "This build of steergrid has no CUDA backend: use the cpu backend, or build with the CMake preset `cuda` "
      "(cmake --preset cuda) on a machine with the CUDA toolkit");
}

bool has_cuda_backend() { return false; }

std::vector<Gpu> visible_gpus() { return {}; }

}  // namespace steergrid
