// Memory of the CUDA backend: allocations in stream order, copies, and weights rounded to the compute type.
//
// A weight [N, K] is row-major without gaps, in the compute type. Host memory given here may be pageable or a mapped
// checkpoint, at any address: every call waits until it was read.
#include <algorithm>
#include <cassert>
#include <cstring>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;

template <class From, class To>
__global__ void convert(const From* from, To* to, std::int64_t n) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) to[i] = cuda::from_float<To>(cuda::to_float(from[i]));
}

/// Rows whose starts are `stride` elements apart in host memory, to rows without gaps. Slices of columns come whole, as
/// one transfer, and are cut on the device: thousands of short pieces would not fill the bus.
void copy_rows(void* to, const HostMatrix& from, std::int64_t first, std::int64_t count, const cuda::Stream& stream) {
  const std::size_t size = size_of(from.dtype), width = static_cast<std::size_t>(from.cols) * size;
  const std::size_t pitch = static_cast<std::size_t>(from.stride) * size;
  const std::size_t bytes = static_cast<std::size_t>(count - 1) * pitch + width;
  const std::byte* source = from.data + static_cast<std::size_t>(first) * pitch;
  if (pitch == width) {
    STEERGRID_CUDA(cudaMemcpyAsync(to, source, bytes, cudaMemcpyHostToDevice, stream.get()));
    return;
  }
  const cuda::Scratch whole(stream, bytes);
  STEERGRID_CUDA(cudaMemcpyAsync(whole.as<void>(), source, bytes, cudaMemcpyHostToDevice, stream.get()));
  STEERGRID_CUDA(cudaMemcpy2DAsync(to, width, whole.as<void>(), pitch, width, static_cast<std::size_t>(count),
                                   cudaMemcpyDeviceToDevice, stream.get()));
}

float widened(const std::byte* from, DType dtype) {
  std::uint32_t word = 0;
  std::memcpy(&word, from, size_of(dtype));
  if (dtype == DType::Float32) return std::bit_cast<float>(word);
  const auto half = static_cast<std::uint16_t>(word);
  return dtype == DType::BFloat16 ? bfloat16_to_float(half) : float16_to_float(half);
}

}  // namespace

Tensor CudaBackend::allocate(std::int64_t rows, std::int64_t cols, DType dtype) {
  assert(rows >= 0 && cols >= 0);
  Matrix view{nullptr, rows, cols, dtype};
  view.data = stream_->allocate(view.bytes());
  return {view, [stream = stream_](void* p) { stream->free(p); }};
}

void CudaBackend::upload(Matrix to, std::span<const std::byte> from) {
  assert(from.size() == to.bytes());
  if (from.empty()) return;
  STEERGRID_CUDA(cudaMemcpyAsync(to.data, from.data(), from.size(), cudaMemcpyHostToDevice, stream_->get()));
  stream_->wait();
}

void CudaBackend::download(Matrix from, std::span<std::byte> to) {
  assert(to.size() == from.bytes());
  if (!to.empty())
    STEERGRID_CUDA(cudaMemcpyAsync(to.data(), from.data, to.size(), cudaMemcpyDeviceToHost, stream_->get()));
  stream_->wait();
}

HostMemory CudaBackend::allocate_host(std::size_t bytes) {
  void* memory = nullptr;
  STEERGRID_CUDA(cudaMallocHost(&memory, std::max<std::size_t>(bytes, 1)));
  return {memory, [](void* p) { cudaFreeHost(p); }};
}

void CudaBackend::wait() { stream_->wait(); }

std::int64_t CudaBackend::peak_bytes() const { return stream_->peak_bytes(); }

std::unique_ptr<Backend> CudaBackend::sibling() const {
  return std::make_unique<CudaBackend>(compute_, stream_->device());
}

Tensor CudaBackend::load_weight(const HostMatrix& from) {
  assert(from.rows > 0 && from.cols > 0 && from.stride >= from.cols);
  Tensor weight = allocate(from.rows, from.cols, compute_);
  constexpr std::int64_t kElements = std::int64_t{16} << 20;  // converted, or cut, at a time
  const std::int64_t chunk = std::clamp<std::int64_t>(kElements / from.stride, 1, from.rows);
  if (from.dtype == compute_) {
    for (std::int64_t first = 0; first < from.rows; first += chunk) {
      const std::int64_t count = std::min(chunk, from.rows - first);
      copy_rows(weight.row_range(first, count).data, from, first, count, *stream_);
    }
    stream_->wait();
    return weight;
  }
  const cuda::Scratch stored(*stream_, static_cast<std::size_t>(chunk * from.cols) * size_of(from.dtype));
  for (std::int64_t first = 0; first < from.rows; first += chunk) {
    const std::int64_t count = std::min(chunk, from.rows - first), n = count * from.cols;
    copy_rows(stored.as<void>(), from, first, count, *stream_);
    const Matrix to = weight.row_range(first, count);
    cuda::with_type(from.dtype, [&](auto* source) {
      cuda::with_type(compute_, [&](auto* target) {
        using From = cuda::Pointee<decltype(source)>;
        using To = cuda::Pointee<decltype(target)>;
        cuda::launch("convert", convert<From, To>, cuda::blocks_for(n, kThreads), kThreads, 0, stream_->get(),
                     stored.as<From>(), to.as<To>(), n);
      });
    });
  }
  stream_->wait();
  return weight;
}

Tensor CudaBackend::load_norm(const HostMatrix& from) {
  assert(from.rows == 1 && from.cols > 0);
  std::vector<float> values(static_cast<std::size_t>(from.cols));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = round_to(compute_, widened(from.data + i * size_of(from.dtype), from.dtype));
  Tensor norm = allocate(1, from.cols, DType::Float32);
  upload(norm.view(), std::as_bytes(std::span(values)));
  return norm;
}

}  // namespace steergrid
