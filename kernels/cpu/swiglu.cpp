// silu(gate) * up; silu is rounded to the compute type before the product, as Hugging Face does.
#include <cassert>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

void CpuBackend::swiglu(Matrix gate, Matrix up, Matrix out) {
  assert(gate.rows == up.rows && gate.cols == up.cols && out.rows == up.rows && out.cols == up.cols);
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (std::int64_t r = 0; r < gate.rows; ++r) {
    const std::int64_t at = r * gate.cols;
    loops_.swiglu(gate.as<float>() + at, up.as<float>() + at, out.as<float>() + at, gate.cols, rounding_);
  }
}

}  // namespace steergrid
