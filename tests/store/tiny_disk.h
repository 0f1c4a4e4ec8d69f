// A file system of a few MiB, where mounting is permitted: for full disks and read-only ones.
#pragma once

#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tests/store/scratch.h"

namespace steergrid::store {

class TinyDisk {
 public:
  explicit TinyDisk(const char* size) {
    if (::mount("tmpfs", scratch_.folder().c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) != 0)
      why_not_ = std::strerror(errno);
  }
  ~TinyDisk() {
    if (mounted()) ::umount2(scratch_.folder().c_str(), MNT_DETACH);
  }
  TinyDisk(const TinyDisk&) = delete;
  TinyDisk& operator=(const TinyDisk&) = delete;

  bool mounted() const { return why_not_.empty(); }
  const std::string& why_not() const { return why_not_; }
  bool make_read_only() const {
    return ::mount("tmpfs", scratch_.folder().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }
  std::string operator/(const std::string& name) const { return scratch_ / name; }

 private:
  Scratch scratch_;
  std::string why_not_;
};

}  // namespace steergrid::store
