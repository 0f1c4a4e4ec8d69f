#include "batch/shell_quote.h"

#include <algorithm>

#include "base/error.h"
#include "spec/problems.h"

namespace steergrid {
namespace {

bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("%+,-./:=@_").find(c) != std::string_view::npos;
}

/// Whether `text` needs no quotes.
bool harmless(std::string_view text) {
  const bool control = std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (control)
    bad_input("{}: expected text without control characters, to put it into a batch script", in_quotes(text));
  return !text.empty() && std::ranges::all_of(text, plain);
}

}  // namespace

std::string shell_quote(std::string_view text) {
  if (harmless(text)) return std::string(text);
  std::string quoted(1, '\'');
  for (const char c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  quoted += '\'';
  return quoted;
}

std::string directive_quote(std::string_view text) {
  if (harmless(text)) return std::string(text);
  std::string quoted(1, '"');
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  quoted += '"';
  return quoted;
}

}  // namespace steergrid
