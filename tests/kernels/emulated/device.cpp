// Memory and streams of the emulated GPU. Work is queued and runs when the host waits, so what the host changes or
// frees too early shows. Device memory is one arena that only running work may touch.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "tests/kernels/emulated/block.h"

namespace steergrid::emulated {

struct Stream {
  std::deque<std::function<void()>> queued;
  std::uint64_t done = 0;  // pieces of work that have run
  std::uint64_t last() const;
  void queue(std::function<void()> work);
  void run_until(std::uint64_t n);
};

struct Event {
  Stream* stream = nullptr;
  std::uint64_t at = 0;
};

namespace {

/// One thing happens at a time, though several threads may have backends (one computes, one loads).
std::recursive_mutex& gate() {
  static std::recursive_mutex the_gate;
  return the_gate;
}
using Turn = std::lock_guard<std::recursive_mutex>;

constexpr std::size_t kArena = std::size_t{32} << 30, kBehind = 512;
constexpr int kFresh = 0xff;  // bytes of NaN in every type

class Arena {
 public:
  Arena() : start_(static_cast<std::byte*>(::mmap(nullptr, kArena, PROT_NONE, kFlags, -1, 0))) {
    if (start_ == MAP_FAILED) std::abort();
  }
  void open(bool open) {
    ::mprotect(start_, std::min(kArena, used_ + 4096), open ? PROT_READ | PROT_WRITE : PROT_NONE);
  }

  void* allocate(std::size_t bytes) {
    if (bytes > kArena - kBehind) return nullptr;
    const std::size_t size = (bytes + kBehind + 4095) / 4096 * 4096;
    std::byte* found = nullptr;
    if (const auto it = free_.lower_bound(size); it != free_.end() && it->first <= 2 * size) {
      found = it->second;
      sizes_[found] = {it->first, bytes};
      free_.erase(it);
    } else {
      if (used_ + size > kArena) return nullptr;
      found = start_ + used_;
      used_ += size;
      sizes_[found] = {size, bytes};
    }
    open(true);
    std::memset(found, kFresh, bytes + kBehind);
    open(false);
    held_ += bytes;
    peak_ = std::max(peak_, held_);
    return found;
  }
  /// In stream order `memory` is free from here on, though queued work may still use it.
  void give_back(void* memory) {
    if (const auto it = sizes_.find(static_cast<std::byte*>(memory)); it != sizes_.end()) held_ -= it->second.asked;
  }
  std::uint64_t peak() const { return peak_; }
  void forget_peak() { peak_ = held_; }
  /// While open.
  void free(void* memory) {
    const auto it = sizes_.find(static_cast<std::byte*>(memory));
    if (it == sizes_.end()) broken("memory is freed that was not allocated, or twice");
    const auto [size, bytes] = it->second;
    const std::byte* behind = it->first + bytes;
    if (std::any_of(behind, behind + kBehind, [](std::byte b) { return b != std::byte{kFresh}; }))
      broken("something was written behind an allocation");
    free_.emplace(size, it->first);
    sizes_.erase(it);
  }

 private:
  [[noreturn]] static void broken(const char* why) {
    std::fprintf(stderr, "emulated GPU: %s\n", why);
    std::abort();
  }
  static constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  struct Size {
    std::size_t taken, asked;
  };
  std::byte* start_;
  std::size_t used_ = 0;
  std::uint64_t held_ = 0, peak_ = 0;  // bytes that were asked for and not given back
  std::map<std::byte*, Size> sizes_;
  std::multimap<std::size_t, std::byte*> free_;
};

Arena& arena() {
  static Arena the_arena;
  return the_arena;
}

std::map<void*, std::size_t>& pinned() {
  static std::map<void*, std::size_t> all;
  return all;
}

bool is_pinned(const void* memory) {
  const Turn turn(gate());
  const auto after = pinned().upper_bound(const_cast<void*>(memory));
  if (after == pinned().begin()) return false;
  const auto& [start, bytes] = *std::prev(after);
  return static_cast<const std::byte*>(memory) < static_cast<const std::byte*>(start) + bytes;
}

}  // namespace

std::uint64_t Stream::last() const {
  const Turn turn(gate());
  return done + queued.size();
}

void Stream::queue(std::function<void()> work) {
  const Turn turn(gate());
  queued.push_back(std::move(work));
}

void Stream::run_until(std::uint64_t n) {
  const Turn turn(gate());
  if (done >= n) return;
  arena().open(true);
  for (; done < n; ++done) {
    const std::function<void()> work = std::move(queued.front());
    queued.pop_front();
    work();
  }
  arena().open(false);
}

bool& in_pieces() {
  static bool so = false;
  return so;
}

std::size_t& allowed_shared(const void* kernel) {
  static std::map<const void*, std::size_t> allowed;
  const Turn turn(gate());
  return allowed[kernel];
}

void launch(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes, std::size_t allowed, Stream* stream,
            std::function<void()> body) {
  const bool fits = grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.x <= 0x7fffffffu && grid.y <= 65535 &&
                    grid.z <= 65535 && block.x * block.y * block.z <= 1024 && block.z <= 64 &&
                    shared_bytes <= kMostShared && (shared_bytes <= std::size_t{48} << 10 || shared_bytes <= allowed);
  if (!fits) failed("emulated GPU: {} was not launched: grid, block or shared memory beyond the limits", name);
  stream->queue([=] { run_grid(name, grid, block, shared_bytes, body); });
}

}  // namespace steergrid::emulated

using steergrid::emulated::arena;

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"Emulated GPU", {"one and only"}, steergrid::emulated::kArena, 0, 0, 1};
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t status) { return status == cudaSuccess ? "no error" : "emulated error"; }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new steergrid::emulated::Stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  stream->run_until(stream->last());
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  cudaStreamSynchronize(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t*, int) { return cudaSuccess; }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr what, void*) {
  const steergrid::emulated::Turn turn(steergrid::emulated::gate());
  if (what == cudaMemPoolAttrUsedMemHigh) arena().forget_peak();
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr what, void* value) {
  if (what != cudaMemPoolAttrUsedMemHigh) return cudaErrorInvalidValue;
  const steergrid::emulated::Turn turn(steergrid::emulated::gate());
  *static_cast<std::uint64_t*>(value) = arena().peak();
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) {
  const steergrid::emulated::Turn turn(steergrid::emulated::gate());
  steergrid::emulated::in_pieces() = false;
  return cudaSuccess;
}
cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t) {
  const steergrid::emulated::Turn turn(steergrid::emulated::gate());
  if (steergrid::emulated::in_pieces()) return cudaErrorMemoryAllocation;
  *memory = arena().allocate(bytes);
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  const steergrid::emulated::Turn turn(steergrid::emulated::gate());
  arena().give_back(memory);
  stream->queue([memory] { arena().free(memory); });
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  const steergrid::emulated::Turn turn(steergrid::emulated::gate());
  *memory = std::malloc(bytes);
  steergrid::emulated::pinned()[*memory] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  const steergrid::emulated::Turn turn(steergrid::emulated::gate());
  steergrid::emulated::pinned().erase(memory);
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new steergrid::emulated::Event;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  *event = {stream, stream->last()};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->stream != nullptr) event->stream->run_until(event->at);
  return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  if (to_pitch < width || from_pitch < width) return cudaErrorInvalidValue;
  const auto copy = [=](const std::byte* source) {
    for (std::size_t row = 0; row < height; ++row)
      std::memcpy(static_cast<std::byte*>(to) + row * to_pitch, source + row * from_pitch, width);
  };
  const auto* source = static_cast<const std::byte*>(from);
  if (kind == cudaMemcpyHostToDevice && !steergrid::emulated::is_pinned(from)) {  // read before the call returns
    std::vector<std::byte> taken(source, source + (height == 0 ? 0 : (height - 1) * from_pitch + width));
    stream->queue([copy, taken = std::move(taken)] { copy(taken.data()); });
  } else {
    stream->queue([copy, source] { copy(source); });
  }
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}
