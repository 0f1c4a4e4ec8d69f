// Rows of the embedding table, widened to the float32 residual stream; zeros for tokens that another rank holds.
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void embed_rows(const std::int32_t* ids, const T* table, std::int64_t table_rows, std::int32_t first_id,
                           float* x, std::int64_t cols) {
  const std::int64_t r = blockIdx.x;
  const std::int64_t id = std::int64_t{ids[r]} - first_id;
  const bool mine = id >= 0 && id < table_rows;
  for (std::int64_t c = threadIdx.x; c < cols; c += kThreads)
    x[r * cols + c] = mine ? cuda::to_float(table[id * cols + c]) : 0.0f;
}

}  // namespace

void CudaBackend::embed(std::span<const std::int32_t> ids, const Tensor& table, std::int32_t first_id, Matrix x) {
  const Matrix& w = table.view();
  assert(x.rows == static_cast<std::int64_t>(ids.size()) && x.cols == w.cols && x.dtype == DType::Float32);
  assert(w.dtype == compute_);
  if (x.empty()) return;
  const auto staged = staging_.copy({std::as_bytes(ids)});
  cuda::with_type(compute_, [&](auto* type) {
    using T = cuda::Pointee<decltype(type)>;
    cuda::launch("embed_rows", embed_rows<T>, static_cast<unsigned>(x.rows), kThreads, 0, stream_->get(),
                 static_cast<const std::int32_t*>(staged[0]), w.as<const T>(), w.rows, first_id, x.as<float>(), x.cols);
  });
}

}  // namespace steergrid
