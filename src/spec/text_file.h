// Small text files of users, read whole: bounded in size, regular, UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace steergrid {

/// The bytes of a file of at most `most_bytes`. Throws Error (bad input): missing, not a regular file, too large.
std::string read_text_file(const std::string& path, std::size_t most_bytes);

/// Offset of the first byte that is not UTF-8, or npos.
std::size_t first_not_utf8(std::string_view text);

}  // namespace steergrid
