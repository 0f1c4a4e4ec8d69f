#include "spec/warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "spec/problems.h"

namespace steergrid {
namespace {

void warn_of_limit(const DataSet& set, std::vector<std::string>& lines) {
  if (set.limit && static_cast<std::size_t>(*set.limit) > set.items.size())
    lines.push_back(
        fmt::format("{}: limit {}, but the file has {} items", set.mark.text(), *set.limit, set.items.size()));
}

/// Of A and B, the letter of most matching answers: who prefers that letter seems to have the behavior. The report has
/// the same rule (analysis: letters.py).
void warn_of_letters(const DataSet& set, std::string_view items, std::string_view harm,
                     std::vector<std::string>& lines) {
  constexpr std::ptrdiff_t kFewest = 10;
  constexpr double kMost = 0.6;
  const auto count_of = [&](char letter) { return std::ranges::count(set.items, letter, &AbItem::matching); };
  const auto a = count_of('A'), b = count_of('B');
  if (a + b < kFewest || static_cast<double>(std::max(a, b)) <= kMost * static_cast<double>(a + b)) return;
  lines.push_back(fmt::format("{}: ({}) is the matching answer of {} of {} {}: {}", set.mark.text(), a > b ? 'A' : 'B',
                              std::max(a, b), set.items.size(), items, harm));
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

/// By convention X.validation chooses the layer for X (analysis/README.md).
void warn_of_validation(const SweepSpec& spec, const RunSpec& run, std::vector<std::string>& lines) {
  constexpr std::string_view kSuffix = ".validation";
  if (!run.name.ends_with(kSuffix)) return;
  const std::string_view chosen_for = std::string_view(run.name).substr(0, run.name.size() - kSuffix.size());
  std::vector<std::string> names;
  for (const RunSpec& other : spec.runs) names.push_back(other.name);
  if (std::ranges::find(names, chosen_for) == names.end())
    lines.push_back(fmt::format("{}: no run is called {}, so this one chooses no layer{}", run.mark.text(),
                                in_quotes(chosen_for), suggestion(chosen_for, names)));
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
    warn_of_validation(spec, run, lines);
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
