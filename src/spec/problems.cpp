// Collecting, ordering and wording of problems; the edit distance behind "did you mean".
#include "spec/problems.h"

#include <algorithm>
#include <cctype>
#include <tuple>

#include "base/error.h"
#include "base/printable.h"

namespace steergrid {

namespace {

constexpr std::size_t kMostListed = 100;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

/// Levenshtein distance; `a` and `b` are short (names and keys).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

/// How far `found` is from `known`, or nothing if it is no plausible slip of it.
std::optional<std::size_t> plausible_distance(std::string_view found, std::string_view known) {
  if (found.size() < 2 || found.size() > 100) return std::nullopt;
  const std::size_t distance = edit_distance(found, known);
  const bool contained = found.size() >= 4 && (known.find(found) != known.npos || found.find(known) != found.npos);
  const std::size_t shorter = std::min(found.size(), known.size());
  const std::size_t allowed = shorter <= 3 ? 1 : shorter / 3 + 1;  // 'pca' is no slip of 'caa'
  if (distance <= allowed && distance < known.size()) return distance;
  if (contained) return 100 + distance;
  return std::nullopt;
}

}  // namespace

std::string Mark::text() const {
  if (file.empty()) return key;
  const std::string place = line > 0 ? fmt::format("{}:{}:{}", file, line, column) : file;
  return key.empty() ? place : fmt::format("{}: {}", place, key);
}

void SpecProblems::add(const Mark& where, std::string what) { list_.push_back({where, std::move(what)}); }

void SpecProblems::add_lines(const Mark& where, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    add(where, std::string(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void SpecProblems::throw_if_any() const {
  if (list_.empty()) return;
  std::vector<Problem> sorted = list_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.where.file, a.where.line, a.where.column) < std::tie(b.where.file, b.where.line, b.where.column);
  });
  std::vector<std::string> lines;
  for (const Problem& p : sorted) {
    std::string place = p.where.text();
    std::string line = place.empty() ? p.text : fmt::format("{}: {}", place, p.text);
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
    if (lines.size() > kMostListed) break;
  }
  if (lines.size() > kMostListed) lines.back() = fmt::format("... and {} more", sorted.size() - kMostListed);
  throw Error(ExitCode::BadInput, fmt::format("{}", fmt::join(lines, "\n")));
}

std::string in_quotes(std::string_view text, std::size_t most) {
  const std::string out = printable(text, most);
  return fmt::format("'{}{}'", out, out.size() >= most && text.size() > most ? "..." : "");
}

std::string path_in_quotes(std::string_view path) { return in_quotes(path, 4096); }

std::string_view nearest(std::string_view found, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t best_distance = std::string_view::npos;
  for (const std::string_view k : known) {
    const auto distance = plausible_distance(found, k);
    if (distance && *distance < best_distance) {
      best = k;
      best_distance = *distance;
    }
  }
  return best;
}

std::string suggestion(std::string_view found, std::span<const std::string_view> known) {
  const std::string_view best = nearest(found, known);
  return best.empty() ? std::string() : fmt::format("; did you mean '{}'?", best);
}

std::string suggestion(std::string_view found, std::span<const std::string> known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  return suggestion(found, views);
}

}  // namespace steergrid
