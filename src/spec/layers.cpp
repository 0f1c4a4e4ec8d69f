// Layer selections; see layers.h. Layers count from 0 and mean "after block L"; ranges are inclusive; the relative
// depth of layer L in a model of N layers is (L + 1) / N.
#include "spec/layers.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace steergrid {

namespace {

/// Takes a number from the front of `text`.
template <class Number>
bool take_number(std::string_view& text, Number& value) {
  if (text.empty() || !((text[0] >= '0' && text[0] <= '9') || text[0] == '.')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_literal(std::string_view& text, std::string_view literal) {
  if (!text.starts_with(literal)) return false;
  text.remove_prefix(literal.size());
  return true;
}

std::optional<LayerSelection> depth_from_text(std::string_view text) {
  LayerSelection s;
  s.kind = LayerSelection::Kind::Depth;
  double first = 0, last = 0;
  if (!take_number(text, first) || !take_literal(text, "%-") || !take_number(text, last) || !take_literal(text, "%") ||
      !text.empty())
    return std::nullopt;
  if (first > last || last > 100) return std::nullopt;
  s.depth_first = first / 100;
  s.depth_last = last / 100;
  return s;
}

std::string shown(const LayerSelection& s) {
  switch (s.kind) {
    case LayerSelection::Kind::All: return "all";
    case LayerSelection::Kind::List: return fmt::format("[{}]", fmt::join(s.list, ", "));
    case LayerSelection::Kind::Range:
      return s.step == 1 ? fmt::format("{}-{}", s.first, s.last) : fmt::format("{}-{}/{}", s.first, s.last, s.step);
    case LayerSelection::Kind::Depth: return fmt::format("{:.6g}%-{:.6g}%", s.depth_first * 100, s.depth_last * 100);
  }
  return "?";
}

/// What the selection names, inside the model or not, in its order. Stops at the first one outside: a range may be
/// absurdly long.
std::vector<int> named_layers(const LayerSelection& s, int n_layers) {
  constexpr double kSlack = 1e-9;  // 0.07 * 100 is a little more than 7
  if (s.kind == LayerSelection::Kind::List) return s.list;
  std::vector<int> layers;
  if (s.kind == LayerSelection::Kind::Range) {
    for (std::int64_t l = s.first; l <= s.last; l += s.step) {
      layers.push_back(static_cast<int>(l));
      if (l >= n_layers) break;
    }
    return layers;
  }
  for (int l = 0; l < n_layers; ++l) {
    const bool deep = l + 1 >= s.depth_first * n_layers - kSlack && l + 1 <= s.depth_last * n_layers + kSlack;
    if (s.kind == LayerSelection::Kind::All || deep) layers.push_back(l);
  }
  return layers;
}

}  // namespace

std::optional<LayerSelection> layers_from_text(std::string_view text) {
  LayerSelection s;
  if (text == "all") return s;
  if (text.find('%') != text.npos) return depth_from_text(text);
  if (!take_number(text, s.first)) return std::nullopt;
  if (text.empty()) {
    s.kind = LayerSelection::Kind::List;
    s.list = {s.first};
    return s;
  }
  s.kind = LayerSelection::Kind::Range;
  if (!take_literal(text, "-") || !take_number(text, s.last) || s.first > s.last) return std::nullopt;
  if (!text.empty() && (!take_literal(text, "/") || !take_number(text, s.step) || s.step < 1)) return std::nullopt;
  return text.empty() ? std::optional(s) : std::nullopt;
}

std::vector<int> layers_of(const LayerSelection& selection, int n_layers, std::string& problem) {
  std::vector<int> layers = named_layers(selection, n_layers);
  for (const int l : layers) {
    if (l >= 0 && l < n_layers) continue;
    problem = fmt::format("expected layers of 0-{} (the model has {}), found {} in {}", n_layers - 1, n_layers, l,
                          shown(selection));
    return {};
  }
  if (layers.empty()) {
    problem =
        fmt::format("expected at least one of the model's {} layers, found none in {}", n_layers, shown(selection));
    return {};
  }
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

std::vector<int> resolve_layers(const LayerSelection& selection, int n_layers) {
  std::string problem;
  std::vector<int> layers = layers_of(selection, n_layers, problem);
  if (!problem.empty()) bad_input("{}: {}", selection.mark.text(), problem);
  return layers;
}

}  // namespace steergrid
