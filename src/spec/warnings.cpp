#include "spec/warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace steergrid {
namespace {

void warn_of_limit(const DataSet& set, std::vector<std::string>& lines) {
  if (set.limit && static_cast<std::size_t>(*set.limit) > set.items.size())
    lines.push_back(
        fmt::format("{}: limit {}, but the file has {} items", set.mark.text(), *set.limit, set.items.size()));
}

/// A letter that holds most of the matching answers: who prefers that letter seems to have the behavior.
void warn_of_letters(const DataSet& set, std::string_view items, std::string_view harm,
                     std::vector<std::string>& lines) {
  constexpr std::size_t kFewest = 10;
  constexpr double kMost = 0.6;
  std::map<char, std::size_t> counts;
  for (const AbItem& item : set.items) ++counts[item.matching];
  for (const auto& [letter, count] : counts)
    if (set.items.size() >= kFewest && static_cast<double>(count) > kMost * static_cast<double>(set.items.size()))
      lines.push_back(fmt::format("{}: ({}) is the matching answer of {} of {} {}: {}", set.mark.text(), letter, count,
                                  set.items.size(), items, harm));
}

/// Which score nothing, for the score divides by p(A) + p(B).
void warn_of_other_letters(const DataSet& set, std::vector<std::string>& lines) {
  const auto others = std::count_if(set.items.begin(), set.items.end(),
                                    [](const AbItem& item) { return item.matching != 'A' && item.matching != 'B'; });
  if (others > 0)
    lines.push_back(
        fmt::format("{}: {} of {} questions match at another letter than (A) and (B): they count as 0 in "
                    "P(matching), as in CAA",
                    set.mark.text(), others, set.items.size()));
}

std::set<std::string_view> texts(const DataSet& set) {
  std::set<std::string_view> found;
  for (const AbItem& item : set.items) found.insert(item.question);
  return found;
}

void warn_of_questions(const DataSet& questions, std::vector<std::string>& lines) {
  const std::size_t all = questions.items.size();
  warn_of_limit(questions, lines);
  warn_of_letters(questions, "questions", "a preference for that letter counts as the behavior", lines);
  warn_of_other_letters(questions, lines);
  if (const std::size_t again = all - texts(questions).size(); again > 0)
    lines.push_back(fmt::format("{}: {} of {} questions repeat an earlier one: they count twice", questions.mark.text(),
                                again, all));
}

}  // namespace

std::vector<std::string> warnings_of(const SweepSpec& spec) {
  std::vector<std::string> lines;
  std::set<std::pair<std::string, std::optional<int>>> told;  // a data set of several runs is looked at once
  for (const VectorSource& v : spec.vectors) {
    warn_of_limit(v.pairs, lines);
    warn_of_letters(v.pairs, "pairs", "a preference for that letter becomes part of the vector", lines);
  }
  for (const RunSpec& run : spec.runs) {
    const DataSet& questions = run.questions;
    if (told.emplace(questions.path, questions.limit).second) warn_of_questions(questions, lines);
    const VectorSource& source = spec.vectors[static_cast<std::size_t>(run.vectors)];
    const std::set<std::string_view> pairs = texts(source.pairs);
    const auto seen = std::count_if(questions.items.begin(), questions.items.end(),
                                    [&](const AbItem& item) { return pairs.contains(item.question); });
    if (seen > 0)
      lines.push_back(fmt::format("{}: {} of {} questions are also pairs of '{}': its vectors were made from them",
                                  questions.mark.text(), seen, questions.items.size(), source.name));
  }
  return lines;
}

}  // namespace steergrid
