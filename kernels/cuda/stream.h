// The one stream of a backend, and the way of small host arrays (row indices, segments) to the device.
//
// Everything a backend does is queued on its stream. Memory is freed in stream order too, and every Tensor holds the
// stream, so a Tensor may outlive its backend. Used by one thread, whose current device it is; only `free` may come
// from another, which has waited for the work that reads the memory.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace steergrid::cuda {

/// "NVIDIA H200, sm_90, 132 multiprocessors": what kernels and cuBLASLt's choices depend on. Throws Error if there is
/// no such device.
std::string describe_device(int device);

class Stream {
 public:
  explicit Stream(int device);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t get() const { return stream_; }
  int device() const { return device_; }
  /// Waits for all that was queued; throws Error if any of it failed.
  void wait() const;
  /// Memory in stream order, aligned to 256 bytes; null for 0 bytes. Waits for the stream where memory is short.
  void* allocate(std::size_t bytes) const;
  void free(void* memory) const noexcept;
  /// The most bytes that this process's streams on the device have held at a time so far.
  std::int64_t peak_bytes() const;

 private:
  cudaMemPool_t pool() const;

  int device_;
  cudaStream_t stream_ = nullptr;
};

/// Device memory that lives for one operation.
class Scratch {
 public:
  Scratch(const Stream& stream, std::size_t bytes) : stream_(stream), data_(stream.allocate(bytes)) {}
  ~Scratch() { stream_.free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  const Stream& stream_;
  void* data_;
};

/// Copies host arrays to the device through pinned memory, without waiting for the stream. A ring of slots: a slot is
/// used again when the stream has passed what was queued by the time the next slot was asked for. So an operation may
/// call `copy` once, and its kernels must be queued before the next operation's `copy`.
class Staging {
 public:
  explicit Staging(std::shared_ptr<const Stream> stream);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// Device addresses of the arrays, one each, aligned to 16 bytes.
  std::vector<const void*> copy(std::initializer_list<std::span<const std::byte>> arrays);

 private:
  struct Slot {
    std::byte* host = nullptr;
    std::byte* device = nullptr;
    std::size_t bytes = 0;
    cudaEvent_t passed = nullptr;
  };
  void grow(Slot& slot, std::size_t bytes);

  std::shared_ptr<const Stream> stream_;
  std::array<Slot, 16> slots_;
  std::size_t next_ = 0;
};

}  // namespace steergrid::cuda
