// The stream, its memory, and the staging ring.
#include "kernels/cuda/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/cuda/check.h"

namespace steergrid::cuda {

std::string describe_device(int device) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver)
    bad_input("no CUDA device: {}", cudaGetErrorString(status));
  cuda::check(status, "cudaGetDeviceCount", __FILE__, __LINE__);
  if (device < 0 || device >= count) bad_input("CUDA device {}: this machine has devices 0 to {}", device, count - 1);
  cudaDeviceProp p{};
  STEERGRID_CUDA(cudaGetDeviceProperties(&p, device));
  return fmt::format("{}, sm_{}{}, {} multiprocessors", p.name, p.major, p.minor, p.multiProcessorCount);
}

Stream::Stream(int device) : device_(device) {
  STEERGRID_CUDA(cudaSetDevice(device));
  STEERGRID_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  // Freed memory stays with the process: passes ask for the same buffers again and again.
  std::uint64_t keep = ~std::uint64_t{0};
  STEERGRID_CUDA(cudaMemPoolSetAttribute(pool(), cudaMemPoolAttrReleaseThreshold, &keep));
}

Stream::~Stream() {
  cudaStreamSynchronize(stream_);
  cudaStreamDestroy(stream_);
}

void Stream::wait() const { STEERGRID_CUDA(cudaStreamSynchronize(stream_)); }

void* Stream::allocate(std::size_t bytes) const {
  void* memory = nullptr;
  if (bytes == 0) return memory;
  cudaError_t status = cudaMallocAsync(&memory, bytes, stream_);
  if (status == cudaErrorMemoryAllocation) {  // what was freed is kept in pieces of other sizes
    cudaGetLastError();
    wait();
    STEERGRID_CUDA(cudaMemPoolTrimTo(pool(), 0));
    status = cudaMallocAsync(&memory, bytes, stream_);
  }
  cuda::check(status, "cudaMallocAsync", __FILE__, __LINE__);
  return memory;
}

void Stream::free(void* memory) const noexcept {
  if (memory != nullptr) cudaFreeAsync(memory, stream_);  // destructors call this: a failure shows at the next call
}

cudaMemPool_t Stream::pool() const {
  cudaMemPool_t pool = nullptr;
  STEERGRID_CUDA(cudaDeviceGetDefaultMemPool(&pool, device_));
  return pool;
}

std::int64_t Stream::peak_bytes() const {
  std::uint64_t bytes = 0;
  STEERGRID_CUDA(cudaMemPoolGetAttribute(pool(), cudaMemPoolAttrUsedMemHigh, &bytes));
  return static_cast<std::int64_t>(bytes);
}

Staging::Staging(std::shared_ptr<const Stream> stream) : stream_(std::move(stream)) {
  for (Slot& slot : slots_) STEERGRID_CUDA(cudaEventCreateWithFlags(&slot.passed, cudaEventDisableTiming));
}

Staging::~Staging() {
  cudaStreamSynchronize(stream_->get());
  for (Slot& slot : slots_) {
    cudaEventDestroy(slot.passed);
    cudaFreeHost(slot.host);
    stream_->free(slot.device);
  }
}

void Staging::grow(Slot& slot, std::size_t bytes) {
  const std::size_t size = std::max<std::size_t>(2 * bytes, 1 << 20);  // pinned memory is slow to get
  cudaFreeHost(slot.host);
  stream_->free(slot.device);
  slot.host = slot.device = nullptr;
  slot.bytes = 0;
  void* host = nullptr;
  STEERGRID_CUDA(cudaMallocHost(&host, size));
  slot.host = static_cast<std::byte*>(host);
  slot.device = static_cast<std::byte*>(stream_->allocate(size));
  slot.bytes = size;
}

std::vector<const void*> Staging::copy(std::initializer_list<std::span<const std::byte>> arrays) {
  constexpr std::size_t kAlignment = 16;
  const auto aligned = [](std::size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; };
  // The kernels that read the slot before were all queued by now.
  const std::size_t previous = (next_ + slots_.size() - 1) % slots_.size();
  STEERGRID_CUDA(cudaEventRecord(slots_[previous].passed, stream_->get()));
  Slot& slot = slots_[next_];
  STEERGRID_CUDA(cudaEventSynchronize(slot.passed));
  next_ = (next_ + 1) % slots_.size();

  std::size_t bytes = 0;
  for (const auto& array : arrays) bytes += aligned(array.size());
  if (bytes > slot.bytes) grow(slot, bytes);
  std::vector<const void*> found;
  std::size_t at = 0;
  for (const auto& array : arrays) {
    if (!array.empty()) std::memcpy(slot.host + at, array.data(), array.size());
    found.push_back(slot.device + at);
    at += aligned(array.size());
  }
  if (at > 0) STEERGRID_CUDA(cudaMemcpyAsync(slot.device, slot.host, at, cudaMemcpyHostToDevice, stream_->get()));
  return found;
}

}  // namespace steergrid::cuda
