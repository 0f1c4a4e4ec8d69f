// Residual stream: add the partial sums in rank order, steer, normalise; one block a row, one pass over memory and one
// over what the caches hold. Each thread keeps to its own columns, so only the sum of squares crosses threads: float64,
// a thread's columns in ascending order, then a fixed tree.
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;
constexpr int kMostPartials = 16;

/// All of one type. The branch on it is the same for every thread and hides behind the loads.
struct Partials {
  const void* rows[kMostPartials];
  int count;
  bool narrow;  // bfloat16
  __device__ float at(int p, std::int64_t i) const {
    return narrow ? cuda::to_float(static_cast<const __nv_bfloat16*>(rows[p])[i])
                  : static_cast<const float*>(rows[p])[i];
  }
};

/// Null `vector`: no row is steered.
struct Steps {
  const float* vectors;
  const std::int32_t* vector;
  const float* coefficient;
};

/// Adds and steers the columns of this thread; returns the sum of their squares. `Residual` is the type x is rounded
/// to.
template <class Residual>
__device__ double update(float* x, const Partials& partials, const Steps& steps, std::int64_t row, std::int64_t cols) {
  const int vector = steps.vector == nullptr ? -1 : steps.vector[row];
  const float coefficient = vector < 0 ? 0.0f : steps.coefficient[row];
  double squares = 0;
  for (std::int64_t c = threadIdx.x; c < cols; c += kThreads) {
    const std::int64_t at = row * cols + c;
    float value = x[at];
    if (partials.count > 0) {
      for (int p = 0; p < partials.count; ++p) value = value + partials.at(p, at);
      value = cuda::rounded<Residual>(value);
    }
    if (vector >= 0) {
      const float step = cuda::rounded<Residual>(steps.vectors[vector * cols + c] * coefficient);
      value = cuda::rounded<Residual>(value + step);
    }
    if (partials.count > 0 || vector >= 0) x[at] = value;
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  return squares;
}

/// One row; h may be null.
template <class T, class Residual>
__global__ void __launch_bounds__(kThreads)
    residual_norm_rows(float* x, Partials partials, Steps steps, const float* weight, float epsilon, T* h,
                       std::int64_t cols) {
  const std::int64_t row = blockIdx.x;
  const double squares = update<Residual>(x, partials, steps, row, cols);
  if (h == nullptr) return;
  const double mean = cuda::block_sum<kThreads>(squares) / static_cast<double>(cols);
  const float inverse = static_cast<float>(1.0 / sqrt(mean + static_cast<double>(epsilon)));
  for (std::int64_t c = threadIdx.x; c < cols; c += kThreads) {
    const float normalised = cuda::rounded<T>(x[row * cols + c] * inverse);
    h[row * cols + c] = cuda::from_float<T>(normalised * weight[c]);
  }
}

}  // namespace

void CudaBackend::residual_norm(Matrix x, std::span<const Matrix> partials, const Steering& steering, DType residual,
                                const Tensor& weight, float epsilon, Matrix h) {
  assert(x.dtype == DType::Float32 && (residual == DType::Float32 || residual == compute_));
  assert(steering.vector.size() == steering.coefficient.size());
  assert(steering.vector.empty() || static_cast<std::int64_t>(steering.vector.size()) == x.rows);
  assert(steering.vector.empty() || steering.vectors.cols == x.cols || steering.vectors.rows == 0);
  assert(h.empty() || (h.rows == x.rows && h.cols == x.cols && weight.view().cols == x.cols && h.dtype == compute_));
  if (x.empty() || (partials.empty() && steering.vector.empty() && h.empty())) return;
  if (partials.size() > kMostPartials)
    cuda::unsupported("partial sums of ranks", static_cast<long long>(partials.size()), kMostPartials);
  Partials sums{};
  for (const Matrix& p : partials) {
    assert(p.rows == x.rows && p.cols == x.cols && p.dtype == partials.front().dtype);
    sums.narrow = p.dtype == DType::BFloat16;
    sums.rows[sums.count++] = p.data;
  }
  Steps steps{};
  if (!steering.vector.empty()) {
    const auto staged = staging_.copy({std::as_bytes(steering.vector), std::as_bytes(steering.coefficient)});
    steps = {steering.vectors.as<const float>(), static_cast<const std::int32_t*>(staged[0]),
             static_cast<const float*>(staged[1])};
  }
  const float* norm = h.empty() ? nullptr : weight.view().as<const float>();
  const auto run = [&](auto kernel, auto* to) {
    cuda::launch("residual_norm_rows", kernel, static_cast<unsigned>(x.rows), kThreads, 0, stream_->get(),
                 x.as<float>(), sums, steps, norm, epsilon, to, x.cols);
  };
  cuda::with_type(compute_, [&](auto* type) {
    using T = cuda::Pointee<decltype(type)>;
    T* to = h.empty() ? nullptr : h.as<T>();
    if (residual == DType::Float32) return run(residual_norm_rows<T, float>, to);
    run(residual_norm_rows<T, T>, to);
  });
}

}  // namespace steergrid
