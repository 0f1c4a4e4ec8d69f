// A checkpoint cloned without git-lfs: each large file is a few lines of text that say where its content is kept. What
// reads such files asks here first, as any other message about three lines of text would mislead.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/mapped_file.h"

namespace steergrid {

/// Throws Error if the file is such a pointer.
inline void refuse_lfs_pointer(const MappedFile& file) {
  constexpr std::string_view kBegin = "version https://git-lfs";
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.starts_with(kBegin))
    bad_input("{}: expected the file itself, found a git-lfs pointer to it: run `git lfs pull` in its folder",
              file.path());
}

}  // namespace steergrid
