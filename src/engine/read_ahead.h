// Reads parts of files in a given order, ahead of whoever takes them, through a ring of two host buffers: a thread
// fills one (large parts by several reads at once) while the other is in use. Knows neither tensors nor models.
//
// Buffered reads: what another rank on the node has read comes from the page cache, so a byte leaves the disk once a
// node as long as the cache holds it.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "kernels/tensor.h"

namespace steergrid {

struct Extent {
  std::string what;      // for messages: "tensor '...'"
  std::size_t file = 0;  // index into the paths
  std::uint64_t offset = 0;
  std::size_t bytes = 0;
};

class ReadAhead {
 public:
  using Allocate = std::function<HostMemory(std::size_t bytes)>;

  /// Opens the files; `allocate` is called here, twice, for the largest extent. `over_and_over`: after the last extent
  /// comes the first again, without end. Throws Error (failed) if a file cannot be opened.
  ReadAhead(const std::vector<std::string>& paths, std::vector<Extent> extents, bool over_and_over,
            const Allocate& allocate);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// The next extent's bytes, valid until the next call. Throws Error (failed), also what the thread met: a read that
  /// failed, a file that ends too soon.
  std::span<const std::byte> next();
  std::int64_t bytes_read() const { return bytes_read_; }

 private:
  struct File {
    std::string path;
    int fd = -1;
  };
  void work(const std::stop_token& stop);
  bool wait_for_room(const std::stop_token& stop, std::uint64_t turn);
  void read(const Extent& extent, std::byte* to) const;
  void expect(const Extent& extent) const;

  std::vector<File> files_;
  std::vector<Extent> extents_;
  bool over_and_over_;
  std::array<HostMemory, 2> buffers_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t filled_ = 0, given_ = 0, returned_ = 0;  // extents, counted from the beginning
  std::exception_ptr trouble_;
  std::atomic<std::int64_t> bytes_read_ = 0;
  std::jthread reader_;
};

}  // namespace steergrid
