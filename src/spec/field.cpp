// Typed reading; see field.h.
#include "spec/field.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace steergrid {

namespace {

// No sweep needs more; with these bounds nothing that compares all with all takes long.
constexpr std::size_t kMostEntries = 10'000;
constexpr std::size_t kMostKeys = 1'000;

std::string description(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::Null: return "nothing";
    case YamlNode::Kind::List: return node.items.empty() ? "an empty list" : "a list";
    case YamlNode::Kind::Map: return "a map";
    case YamlNode::Kind::Scalar: break;
  }
  if (node.scalar.empty()) return "empty text";
  return in_quotes(node.scalar);
}

/// from_chars over the whole text, a leading '+' allowed as in YAML.
template <class Number>
std::errc parse_whole(std::string_view text, Number& value) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return error;
  return end == text.data() + text.size() ? std::errc() : std::errc::invalid_argument;
}

std::string join_key(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

/// A key for a path: as it is if it looks like one.
std::string shown_key(const std::string& key) {
  const bool plain = !key.empty() && key.size() <= 60 &&
                     std::all_of(key.begin(), key.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  return plain ? key : in_quotes(key);
}

}  // namespace

Mark Field::mark() const { return {in_->file, node_->line, node_->column, key_}; }

std::nullopt_t Field::expected(std::string_view what) const {
  std::string text = fmt::format("expected {}, found {}", what, description(*node_));
  if (node_->quoted && !node_->scalar.empty()) text += " (text, as it stands in quotes)";
  problem(std::move(text));
  return std::nullopt;
}

void Field::problem(std::string what) const { in_->problems.add(mark(), std::move(what)); }

std::optional<std::string> Field::text(std::string_view what) const {
  if (!is_scalar() || node_->scalar.empty()) {
    expected(what);
    return std::nullopt;
  }
  return node_->scalar;
}

std::optional<std::string> Field::name() const {
  constexpr std::string_view what = "a name of letters, digits, '.', '_' and '-' (at most 128, not '.' or '..')";
  const auto fits = [](const std::string& s) {
    return s.size() <= 128 && s != "." && s != ".." && std::all_of(s.begin(), s.end(), [](char c) {
             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '_' || c == '-';
           });
  };
  if (!is_scalar() || node_->scalar.empty() || !fits(node_->scalar)) {
    problem(fmt::format("expected {}, found {}", what, description(*node_)));
    return std::nullopt;
  }
  return node_->scalar;
}

std::optional<std::int64_t> Field::integer(std::int64_t low, std::int64_t high, std::string_view what) const {
  std::int64_t value = 0;
  const bool plain = is_scalar() && !node_->quoted;
  if (!plain || parse_whole(node_->scalar, value) != std::errc() || value < low || value > high) return expected(what);
  return value;
}

std::optional<double> Field::number(std::string_view what) const {
  double value = 0;
  const bool plain = is_scalar() && !node_->quoted;
  if (!plain || parse_whole(node_->scalar, value) != std::errc()) return expected(what);
  if (!(std::abs(value) <= double{std::numeric_limits<float>::max()})) return expected(what);
  return value == 0 ? 0.0 : value;  // -0 is 0
}

std::optional<std::size_t> Field::choice(std::span<const std::string_view> choices) const {
  const auto found = std::find(choices.begin(), choices.end(), node_->scalar);
  if (is_scalar() && found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  const std::string hint = is_scalar() ? suggestion(node_->scalar, choices) : "";
  problem(fmt::format("expected {}{}, found {}{}", choices.size() > 1 ? "one of " : "", fmt::join(choices, ", "),
                      description(*node_), hint));
  return std::nullopt;
}

std::optional<std::vector<Field>> Field::list(std::string_view what) const {
  if (!is_list() || node_->items.empty()) return expected(what);
  if (node_->items.size() > kMostEntries) {
    problem(fmt::format("expected at most {} entries, found {}", kMostEntries, node_->items.size()));
    return std::nullopt;
  }
  std::vector<Field> fields;
  for (std::size_t i = 0; i < node_->items.size(); ++i)
    fields.emplace_back(node_->items[i], fmt::format("{}[{}]", key_, i), *in_);
  return fields;
}

Fields::Fields(const Field& map, std::string_view what, std::vector<std::string_view> known)
    : map_(map), known_(std::move(known)), ok_(map.is_map()) {
  if (ok_) {
    check_keys();
  } else {
    map_.expected(fmt::format("{} ({})", what, fmt::join(known_, ", ")));
  }
}

void Fields::check_keys() {
  if (map_.node().entries.size() > kMostKeys) {
    map_.problem(fmt::format("expected at most {} keys, found {}", known_.size(), map_.node().entries.size()));
    return;
  }
  std::vector<const YamlEntry*> seen;
  for (const YamlEntry& entry : map_.node().entries) {
    const Mark mark{map_.source().file, entry.line, entry.column, join_key(map_.key(), shown_key(entry.key))};
    SpecProblems& problems = map_.source().problems;
    const auto first = std::find_if(seen.begin(), seen.end(), [&](const YamlEntry* e) { return e->key == entry.key; });
    if (first != seen.end()) {
      problems.add(mark, fmt::format("expected each key once, found it again (first at line {})", (*first)->line));
    } else if (std::find(known_.begin(), known_.end(), entry.key) == known_.end()) {
      const std::string_view meant = nearest(entry.key, known_);
      if (!meant.empty()) meant_.push_back(meant);
      problems.add(mark, fmt::format("expected a known key ({}), found {}{}", fmt::join(known_, ", "),
                                     in_quotes(entry.key), suggestion(entry.key, known_)));
    }
    seen.push_back(&entry);
  }
}

std::optional<Field> Fields::get(std::string_view key) const {
  for (const YamlEntry& entry : map_.node().entries)
    if (entry.key == key) return Field(entry.value, join_key(map_.key(), key), map_.source());
  return std::nullopt;
}

std::optional<Field> Fields::required(std::string_view key, std::string_view what) const {
  auto field = get(key);
  const bool meant = std::find(meant_.begin(), meant_.end(), key) != meant_.end();
  if (!field && ok_ && !meant) {
    Mark mark = map_.mark();
    mark.key = join_key(map_.key(), key);
    map_.source().problems.add(mark, fmt::format("expected {}, found no such key", what));
  }
  return field;
}

}  // namespace steergrid
