#include "app/memory_options.h"

#include <algorithm>

#include "engine/pass.h"
#include "kernels/backend.h"

namespace steergrid {

MemoryOptions memory_options(bool on_gpu, std::int64_t rows) {
  MemoryOptions options;
  options.rows = rows;
  options.chunk_rows = std::min(rows, on_gpu ? kGpuChunkRows : Pass::kChunkRows);
  options.logits = on_gpu ? kGpuHeadLogits : kHeadLogits;
  if (on_gpu) {
    options.widens_float16 = options.wide_activations = options.reads_into_same_memory = false;
    options.base_bytes = std::int64_t{1} << 30;  // the CUDA context and its libraries; not measured
  } else {
    options.widens_bfloat16 = make_cpu_backend(DType::BFloat16, 1)->weight_dtype() == DType::Float32;
  }
  return options;
}

}  // namespace steergrid
