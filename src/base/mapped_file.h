// A file mapped read-only into memory. Used for checkpoints: pages come in as they are touched and can be let go again.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace steergrid {

class MappedFile {
 public:
  /// Throws Error (bad input) if the file is missing, not a regular file or cannot be mapped.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  /// Lets the pages of `part` go (they are read again if touched): keeps a loader's resident set small.
  void release(std::span<const std::byte> part) const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace steergrid
