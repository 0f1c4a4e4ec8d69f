// Residual stream: add the partial sums in rank order, steer, normalise; one block a row, one pass over memory and one
// over what the caches hold. Each thread keeps to its own columns, four side by side where rows are aligned for that,
// so only the sum of squares crosses threads: float64, a thread's columns in ascending order, then a fixed tree.
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;
constexpr int kMostPartials = 16;

/// `width` neighbouring values, moved at once.
template <class T, int width>
struct alignas(sizeof(T) * width) Values {
  T at[width];
};
template <int width, class T>
__device__ __forceinline__ Values<T, width> load(const T* from) {
  return *reinterpret_cast<const Values<T, width>*>(from);
}
template <int width, class T>
__device__ __forceinline__ void store(T* to, const Values<T, width>& values) {
  *reinterpret_cast<Values<T, width>*>(to) = values;
}

/// All of one type. The branch on it is the same for every thread and hides behind the loads.
struct Partials {
  const void* rows[kMostPartials];
  int count;
  bool narrow;  // bfloat16

  /// sum += values [i, i + width) of partial p.
  template <int width>
  __device__ __forceinline__ void add_to(Values<float, width>& sum, int p, std::int64_t i) const {
    if (narrow) {
      const auto values = load<width>(static_cast<const __nv_bfloat16*>(rows[p]) + i);
      for (int j = 0; j < width; ++j) sum.at[j] = sum.at[j] + cuda::to_float(values.at[j]);
    } else {
      const auto values = load<width>(static_cast<const float*>(rows[p]) + i);
      for (int j = 0; j < width; ++j) sum.at[j] = sum.at[j] + values.at[j];
    }
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
template <class Residual, int width>
__device__ double update(float* x, const Partials& partials, const Steps& steps, std::int64_t row, std::int64_t cols) {
  const int vector = steps.vector == nullptr ? -1 : steps.vector[row];
  const float coefficient = vector < 0 ? 0.0f : steps.coefficient[row];
  double squares = 0;
  for (std::int64_t c = threadIdx.x * width; c < cols; c += kThreads * width) {
    const std::int64_t at = row * cols + c;
    auto values = load<width>(x + at);
    if (partials.count > 0) {
      for (int p = 0; p < partials.count; ++p) partials.add_to(values, p, at);
      for (float& value : values.at) value = cuda::rounded<Residual>(value);
    }
    if (vector >= 0) {
      const auto direction = load<width>(steps.vectors + vector * cols + c);
      for (int j = 0; j < width; ++j) {
        const float step = cuda::rounded<Residual>(direction.at[j] * coefficient);
        values.at[j] = cuda::rounded<Residual>(values.at[j] + step);
      }
    }
    if (partials.count > 0 || vector >= 0) store(x + at, values);
    for (const float value : values.at) squares += static_cast<double>(value) * static_cast<double>(value);
  }
  return squares;
}

/// One row; h may be null. `cols` is a multiple of `width`.
template <class T, class Residual, int width>
__global__ void __launch_bounds__(kThreads)
    residual_norm_rows(float* x, Partials partials, Steps steps, const float* weight, float epsilon, T* h,
                       std::int64_t cols) {
  const std::int64_t row = blockIdx.x;
  const double squares = update<Residual, width>(x, partials, steps, row, cols);
  if (h == nullptr) return;
  const double mean = cuda::block_sum<kThreads>(squares) / static_cast<double>(cols);
  const float inverse = static_cast<float>(1.0 / sqrt(mean + static_cast<double>(epsilon)));
  for (std::int64_t c = threadIdx.x * width; c < cols; c += kThreads * width) {
    const auto values = load<width>(x + row * cols + c);
    const auto weights = load<width>(weight + c);
    Values<T, width> out;
    for (int j = 0; j < width; ++j) {
      const float normalised = cuda::rounded<T>(values.at[j] * inverse);
      out.at[j] = cuda::from_float<T>(normalised * weights.at[j]);
    }
    store(h + row * cols + c, out);
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
    const bool aligned = x.cols % 4 == 0;
    if (residual == DType::Float32)
      return aligned ? run(residual_norm_rows<T, float, 4>, to) : run(residual_norm_rows<T, float, 1>, to);
    aligned ? run(residual_norm_rows<T, T, 4>, to) : run(residual_norm_rows<T, T, 1>, to);
  });
}

}  // namespace steergrid
