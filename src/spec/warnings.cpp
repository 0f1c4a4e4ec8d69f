#include "spec/warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

namespace steergrid {
namespace {

void warn_of_limit(const DataSet& set, std::vector<std::string>& lines) {
  if (set.limit && static_cast<std::size_t>(*set.limit) > set.items.size())
    lines.push_back(
        fmt::format("{}: limit {}, but the file has {} items", set.mark.text(), *set.limit, set.items.size()));
}

std::set<std::string_view> texts(const DataSet& set) {
  std::set<std::string_view> found;
  for (const AbItem& item : set.items) found.insert(item.question);
  return found;
}

}  // namespace

std::vector<std::string> warnings_of(const SweepSpec& spec) {
  std::vector<std::string> lines;
  for (const VectorSource& v : spec.vectors) warn_of_limit(v.pairs, lines);
  for (const RunSpec& run : spec.runs) {
    const DataSet& questions = run.questions;
    const std::size_t all = questions.items.size();
    warn_of_limit(questions, lines);
    if (const std::size_t again = all - texts(questions).size(); again > 0)
      lines.push_back(
          fmt::format("{}: {} of {} questions repeat an earlier one: they count twice and narrow the intervals",
                      questions.mark.text(), again, all));
    const VectorSource& source = spec.vectors[static_cast<std::size_t>(run.vectors)];
    const std::set<std::string_view> pairs = texts(source.pairs);
    const auto seen = std::count_if(questions.items.begin(), questions.items.end(),
                                    [&](const AbItem& item) { return pairs.contains(item.question); });
    if (seen > 0)
      lines.push_back(fmt::format("{}: {} of {} questions are also pairs of '{}': its vectors were made from them",
                                  questions.mark.text(), seen, all, source.name));
  }
  return lines;
}

}  // namespace steergrid
