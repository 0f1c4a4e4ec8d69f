// Problems found in one untrusted file or folder, reported together: a user who mends a checkpoint wants the whole
// list, not its first line. Used by config and checkpoint only.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace steergrid {

class Problems {
 public:
  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    lines_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }
  bool empty() const { return lines_.empty(); }

  /// Throws Error with a line "where: problem" each (the first 20), if there is any. Every line stands for itself: who
  /// puts them into a longer list (SpecProblems::add_lines) cuts at the line ends.
  void throw_if_any(std::string_view where) const {
    if (lines_.empty()) return;
    constexpr std::size_t kShown = 20;
    std::string text;
    for (std::size_t i = 0; i < lines_.size() && i < kShown; ++i)
      text += fmt::format("{}{}: {}", i == 0 ? "" : "\n", where, lines_[i]);
    if (lines_.size() > kShown) text += fmt::format("\n{}: and {} more problems", where, lines_.size() - kShown);
    bad_input("{}", text);
  }

 private:
  std::vector<std::string> lines_;
};

/// Text out of an untrusted file as a message may show it: one line, no control characters, at most 120 bytes.
inline std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string out(text.substr(0, kLongest));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  if (text.size() > kLongest) out += "...";
  return out;
}

}  // namespace steergrid
