// See read_values.h.
#include "spec/read_values.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "base/error.h"
#include "base/printable.h"
#include "spec/data_set.h"
#include "spec/layers.h"

namespace steergrid {

namespace {

constexpr std::int64_t kMostLayers = 100'000;
constexpr std::int64_t kMostItems = std::numeric_limits<int>::max();

std::optional<LayerSelection> read_layer_list(const Field& field) {
  LayerSelection selection;
  selection.kind = LayerSelection::Kind::List;
  selection.mark = field.mark();
  const auto items = field.list(kLayersSyntax);
  if (!items) return std::nullopt;
  bool ok = true;
  for (const Field& item : *items) {
    const auto layer = item.integer(0, kMostLayers, "a layer (a whole number, 0 or more)");
    const bool again = layer && std::count(selection.list.begin(), selection.list.end(), static_cast<int>(*layer)) > 0;
    if (again) item.problem(fmt::format("expected each layer once, found {} again", *layer));
    if (layer) selection.list.push_back(static_cast<int>(*layer));
    ok = ok && layer && !again;
  }
  return ok ? std::optional(selection) : std::nullopt;
}

std::optional<std::vector<double>> read_coefficient_list(const Field& field) {
  const auto items = field.list("a list of coefficients, as [-1, 0, 1]");
  if (!items) return std::nullopt;
  std::vector<double> values;
  bool ok = true;
  for (const Field& item : *items) {
    const auto value = item.number("a finite number that float32 can hold");
    const bool again = value && std::count(values.begin(), values.end(), *value) > 0;
    if (again) item.problem(fmt::format("expected each coefficient once, found {} again", *value));
    if (value) values.push_back(*value);
    ok = ok && value && !again;
  }
  return ok ? std::optional(values) : std::nullopt;
}

/// Reads the data set and reports what is wrong with it, each line under the field's mark.
std::optional<DataSet> read_file(const Field& field, std::optional<int> limit) {
  const auto path = read_path(field, "the path of a data set");
  if (!path) return std::nullopt;
  try {
    DataSet set = read_data_set(*path, limit);
    set.mark = field.mark();
    return set;
  } catch (const Error& e) {
    field.source().problems.add_lines(field.mark(), e.what());
    return std::nullopt;
  }
}

}  // namespace

std::optional<LayerSelection> read_layers(const Field& field) {
  if (field.is_list()) return read_layer_list(field);
  const auto selection = field.is_scalar() ? layers_from_text(field.node().scalar) : std::nullopt;
  if (!selection) return field.expected(kLayersSyntax);
  LayerSelection marked = *selection;
  marked.mark = field.mark();
  return marked;
}

std::optional<Coefficients> read_coefficients(const Field& field, CoefficientUnit inherited) {
  Coefficients coefficients;
  coefficients.unit = inherited;
  if (!field.is_map()) {
    auto values = read_coefficient_list(field);
    if (!values) return std::nullopt;
    coefficients.values = std::move(*values);
    return coefficients;
  }
  const Fields fields(field, "coefficients", {"values", "unit"});
  const auto values_field = fields.required("values", "a list of coefficients, as [-1, 0, 1]");
  const auto values = values_field ? read_coefficient_list(*values_field) : std::nullopt;
  const auto unit_field = fields.get("unit");
  const auto unit = unit_field ? choose(*unit_field, {CoefficientUnit::Multiplier, CoefficientUnit::ResidualNorm})
                               : std::optional(inherited);
  if (!values || !unit) return std::nullopt;
  return Coefficients{*values, *unit};
}

std::optional<Positions> read_positions(const Field& field) {
  return choose(field, {Positions::InstructionEnd, Positions::All});
}

std::optional<std::string> read_path(const Field& field, std::string_view what) {
  const auto text = field.text(what);
  if (!text) return std::nullopt;
  if (has_control(*text)) {
    field.problem(fmt::format("expected {} without control characters, found {}", what, path_in_quotes(*text)));
    return std::nullopt;
  }
  std::filesystem::path path = *text;
  if (*text == "~" || text->starts_with("~/")) {  // as a shell would; none has seen it
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home != '/') {
      field.problem(fmt::format("expected a path, found {}, but HOME names no folder", path_in_quotes(*text)));
      return std::nullopt;
    }
    path = std::filesystem::path(home) / text->substr(std::min<std::size_t>(2, text->size()));
  }
  return (std::filesystem::path(field.source().folder) / path).lexically_normal().string();
}

std::optional<DataSet> read_items(const Field& field) {
  if (field.is_scalar()) return read_file(field, std::nullopt);
  const Fields fields(field, "the path of a data set, or a map", {"file", "limit"});
  if (!fields.ok()) return std::nullopt;
  std::optional<int> limit;
  bool ok = true;
  if (const auto limit_field = fields.get("limit")) {
    const auto value = limit_field->integer(1, kMostItems, "a whole number of items, 1 or more");
    ok = value.has_value();
    if (ok) limit = static_cast<int>(*value);
  }
  const auto file = fields.required("file", "the path of a data set");
  auto items = file ? read_file(*file, limit) : std::nullopt;
  return ok ? items : std::nullopt;
}

}  // namespace steergrid
