#include "base/printable.h"

#include <fmt/format.h>

namespace steergrid {

namespace {

/// Whether a control character begins `text` (not empty): C0, DEL or, in UTF-8, C1.
bool begins_with_control(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  return byte(0) < 0x20 || byte(0) == 0x7f || (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0);
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() < most; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n') {
      out += "\\n";
    } else if (begins_with_control(text.substr(i))) {
      out += fmt::format("\\x{:02x}", c);
    } else {
      const std::size_t length = utf8_length(text.substr(i));
      out += length == 0 ? fmt::format("\\x{:02x}", c) : std::string(text.substr(i, length));
      if (length > 1) i += length - 1;
    }
  }
  return out;
}

bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (begins_with_control(text.substr(i))) return true;
  return false;
}

std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned char c = byte(0);
  if (c < 0x80) return 1;
  const std::size_t length = c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const unsigned char second = byte(1);
  const bool overlong = (c == 0xe0 && second < 0xa0) || (c == 0xf0 && second < 0x90);
  const bool surrogate = c == 0xed && second >= 0xa0;
  const bool beyond = c == 0xf4 && second >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

}  // namespace steergrid
