// See text_file.h.
#include "spec/text_file.h"

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/printable.h"

namespace steergrid {

std::string read_text_file(const std::string& path, std::size_t most_bytes) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) bad_input("{}: expected a file, found none there", path);
  if (error) bad_input("{}: cannot be read ({})", path, error.message());
  if (fs::is_directory(status)) bad_input("{}: expected a file, found a folder", path);
  if (!fs::is_regular_file(status)) bad_input("{}: expected a regular file", path);
  const auto size = fs::file_size(path, error);
  if (error) bad_input("{}: cannot be read ({})", path, error.message());
  if (size > most_bytes) bad_input("{}: expected at most {} bytes, found {}", path, most_bytes, size);
  std::ifstream in(path, std::ios::binary);
  if (!in) bad_input("{}: cannot be opened for reading", path);
  std::string text(static_cast<std::size_t>(size), '\0');
  in.read(text.data(), static_cast<std::streamsize>(size));
  if (static_cast<std::uintmax_t>(in.gcount()) != size) failed("{}: reading stopped half-way", path);
  return text;
}

std::size_t first_not_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace steergrid
