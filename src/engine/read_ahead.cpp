#include "engine/read_ahead.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <future>

#include "base/error.h"
#include "base/in_background.h"

namespace steergrid {
namespace {

constexpr std::size_t kPart = std::size_t{8} << 20;  // a read of less is not worth a thread
constexpr std::size_t kReads = 4;                    // at once, within an extent

/// Fills `to` from `offset` on; how many bytes there were before the file's end.
std::size_t read_part(int fd, std::uint64_t offset, std::span<std::byte> to, const std::string& path) {
  std::size_t got = 0;
  while (got < to.size()) {
    const auto n = ::pread(fd, to.data() + got, to.size() - got, static_cast<off_t>(offset + got));
    if (n == 0) break;
    if (n > 0)
      got += static_cast<std::size_t>(n);
    else if (errno != EINTR)
      failed("{}: cannot be read from byte {} on ({})", path, offset + got, std::strerror(errno));
  }
  return got;
}

}  // namespace

ReadAhead::ReadAhead(const std::vector<std::string>& paths, std::vector<Extent> extents, bool over_and_over,
                     const Allocate& allocate)
    : extents_(std::move(extents)), over_and_over_(over_and_over) {
  std::size_t largest = 0;
  for (const Extent& e : extents_) largest = std::max(largest, e.bytes);
  for (HostMemory& buffer : buffers_) buffer = allocate(largest);
  try {
    for (const std::string& path : paths) {
      files_.push_back({path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC)});
      if (files_.back().fd < 0) failed("{}: cannot be opened ({})", path, std::strerror(errno));
    }
    reader_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  } catch (...) {
    for (const File& f : files_) ::close(f.fd);
    throw;
  }
}

ReadAhead::~ReadAhead() {
  reader_.request_stop();
  reader_.join();
  for (const File& f : files_) ::close(f.fd);
}

std::span<const std::byte> ReadAhead::next() {
  std::unique_lock lock(mutex_);
  assert(over_and_over_ || given_ < extents_.size());
  returned_ = given_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return filled_ > given_ || trouble_; });
  if (filled_ == given_) std::rethrow_exception(trouble_);
  const std::uint64_t turn = given_++;
  return {static_cast<const std::byte*>(buffers_[turn % 2].get()), extents_[turn % extents_.size()].bytes};
}

bool ReadAhead::wait_for_room(const std::stop_token& stop, std::uint64_t turn) {
  std::unique_lock lock(mutex_);
  return changed_.wait(lock, stop, [&] { return turn < returned_ + buffers_.size(); });
}

void ReadAhead::work(const std::stop_token& stop) try {
  for (std::uint64_t turn = 0; over_and_over_ || turn < extents_.size(); ++turn) {
    const Extent& extent = extents_[turn % extents_.size()];
    if (!wait_for_room(stop, turn)) return;
    expect(extents_[(turn + 1) % extents_.size()]);
    read(extent, static_cast<std::byte*>(buffers_[turn % 2].get()));
    bytes_read_ += static_cast<std::int64_t>(extent.bytes);
    const std::scoped_lock lock(mutex_);
    ++filled_;
    changed_.notify_all();
  }
} catch (...) {  // whatever it is, the thread that asks next gets it
  const std::scoped_lock lock(mutex_);
  trouble_ = std::current_exception();
  changed_.notify_all();
}

/// Lets the kernel fetch an extent while the one before is read. Only advice: if it fails, nothing is lost.
void ReadAhead::expect(const Extent& extent) const {
  ::posix_fadvise(files_[extent.file].fd, static_cast<off_t>(extent.offset), static_cast<off_t>(extent.bytes),
                  POSIX_FADV_WILLNEED);
}

void ReadAhead::read(const Extent& extent, std::byte* to) const {
  const File& file = files_[extent.file];
  const std::size_t parts = std::clamp<std::size_t>(extent.bytes / kPart, 1, kReads);
  const std::size_t size = (extent.bytes + parts - 1) / parts;
  std::vector<std::future<std::size_t>> reads;
  for (std::size_t p = 0; p < parts; ++p) {
    const std::size_t at = p * size;
    const std::span<std::byte> part(to + at, std::min(size, extent.bytes - at));
    const auto work = [&file, from = extent.offset + at, part] { return read_part(file.fd, from, part, file.path); };
    reads.push_back(parts == 1 ? std::async(std::launch::deferred, work) : in_background(work));
  }
  std::size_t got = 0;
  for (auto& r : reads) got += r.get();
  if (got < extent.bytes)
    failed("{}: {}: expected {} bytes from byte {} on, found {}: the file has become shorter since its header was read",
           file.path, extent.what, extent.bytes, extent.offset, got);
}

}  // namespace steergrid
