// Problems of user input, collected so that one Error tells all of them. Used by the reader of specs and by the plan.
//
// A problem is a place and a sentence of the form "expected ..., found ...". Always one line, whatever the user wrote:
// what is quoted from input goes through `in_quotes`.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spec/sweep_spec.h"

namespace steergrid {

class SpecProblems {
 public:
  void add(const Mark& where, std::string what);
  /// What an Error says, each of its lines a problem.
  void add_lines(const Mark& where, std::string_view text);
  bool empty() const { return list_.empty(); }

  /// Throws an Error (bad input) with all problems, one a line, ordered by place and without repetitions; returns if
  /// there are none. More than 100 are counted, not listed.
  void throw_if_any() const;

 private:
  struct Problem {
    Mark where;
    std::string text;
  };
  std::vector<Problem> list_;
};

/// `text` in single quotes and printable, shortened to some `most` bytes.
std::string in_quotes(std::string_view text, std::size_t most = 60);
/// As in_quotes, but whole: of a long path the end says most.
std::string path_in_quotes(std::string_view path);

/// "; did you mean 'x'?" with the nearest of `known` by edit distance, or "" if none is near. Case does not count.
std::string suggestion(std::string_view found, std::span<const std::string_view> known);
std::string suggestion(std::string_view found, std::span<const std::string> known);

/// The nearest of `known`, or "" if none is near.
std::string_view nearest(std::string_view found, std::span<const std::string_view> known);

}  // namespace steergrid
