// Weights of synthetic models (kernels/synthetic.h), made row by row and packed like a checkpoint's.
#include <cassert>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

Tensor CpuBackend::make_weight(const SyntheticPart& part) {
  assert(part.rows > 0 && part.cols > 0);
  return pack(part.rows, part.cols, [&](std::int64_t row, float* to) { synthetic_row(part, row, to); });
}

}  // namespace steergrid
