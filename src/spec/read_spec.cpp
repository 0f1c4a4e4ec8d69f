// read_spec: the top level of a spec. The tree comes from yaml_tree, values from read_values, lists from read_sections.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "spec/check_models.h"
#include "spec/field.h"
#include "spec/read_sections.h"
#include "spec/read_values.h"
#include "spec/sweep_spec.h"
#include "spec/text_file.h"

namespace steergrid {

namespace {

constexpr std::size_t kMostBytes = 1'000'000;
constexpr std::int64_t kMostItemsPerUnit = 1'000'000;

void read_output(const Fields& top, SweepSpec& spec) {
  const auto field = top.required("output", "the path of the result file");
  const auto path = field ? read_path(*field, "the path of the result file") : std::nullopt;
  if (!path) return;
  std::error_code error;
  const std::filesystem::file_status there = std::filesystem::status(*path, error);
  if (path->ends_with('/') || std::filesystem::is_directory(there))
    field->problem(fmt::format("expected a file, found the folder {}", path_in_quotes(*path)));
  else if (there.type() == std::filesystem::file_type::none)
    field->problem(
        fmt::format("expected a path where a result file can lie, found {}: {}", in_quotes(*path), error.message()));
  else if (*path == spec.file)
    field->problem("expected a file of its own, found the spec itself");
  spec.output = *path;
}

void read_store(const Field& field, SweepSpec& spec) {
  const Fields fields(field, "what to store", {"activations"});
  if (const auto f = fields.get("activations"))
    if (const auto s = choose(*f, {ActivationStore::None, ActivationStore::Float16, ActivationStore::Float32}))
      spec.activations = *s;
}

void read_units(const Field& field, SweepSpec& spec) {
  const Fields fields(field, "unit sizes", {"pairs", "questions"});
  const auto read = [&](std::string_view key, int& target) {
    const auto f = fields.get(key);
    const auto n = f ? f->integer(1, kMostItemsPerUnit, "a whole number of items, 1 to 1000000") : std::nullopt;
    if (n) target = static_cast<int>(*n);
  };
  read("pairs", spec.units.pairs);
  read("questions", spec.units.questions);
}

/// Layers, coefficients and positions, which models and runs may override.
void read_grid(const Fields& top, SweepSpec& spec) {
  if (const auto f = top.get("layers")) {
    if (const auto layers = read_layers(*f)) spec.layers = *layers;
  }
  if (const auto f = top.get("coefficients")) {
    if (const auto coefficients = read_coefficients(*f, CoefficientUnit::Multiplier)) spec.coefficients = *coefficients;
  }
  if (const auto f = top.get("positions")) {
    if (const auto positions = read_positions(*f)) spec.positions = *positions;
  }
}

/// Coefficients have no default: some run on some model would have none.
void check_coefficients(const Fields& top, const SweepSpec& spec) {
  const auto lacks = [](const auto& entry) { return !entry.coefficients; };
  const bool needed = std::any_of(spec.runs.begin(), spec.runs.end(), lacks) &&
                      (spec.models.empty() || std::any_of(spec.models.begin(), spec.models.end(), lacks));
  if (needed) top.required("coefficients", "a list of coefficients, as [-1, 0, 1]");
}

void read_top(const Field& root, SweepSpec& spec) {
  const Fields top(root, "a sweep",
                   {"name", "output", "seed", "models", "behaviors", "runs", "layers", "coefficients", "method",
                    "positions", "store", "units"});
  if (!top.ok()) return;
  if (const auto f = top.required("name", "the sweep's name")) spec.name = f->name().value_or("");
  read_output(top, spec);
  if (const auto f = top.get("seed")) {
    using limits = std::numeric_limits<std::int64_t>;
    spec.seed = f->integer(limits::min(), limits::max(), "a whole number of at most 64 bits").value_or(0);
  }
  read_grid(top, spec);
  if (const auto f = top.required("behaviors", "a list of behaviors")) read_behaviors(*f, spec);
  if (const auto f = top.get("runs")) read_runs(*f, spec);
  if (const auto f = top.required("models", "a list of models")) read_models(*f, spec);
  if (const auto f = top.get("method")) read_method(*f, spec);
  if (const auto f = top.get("store")) read_store(*f, spec);
  if (const auto f = top.get("units")) read_units(*f, spec);
  check_coefficients(top, spec);
}

/// The bytes of a spec. Throws Error: as read_text_file, or a result file, which commands that take a spec are often
/// given.
std::string text_of(const std::string& file) {
  constexpr std::string_view kHdf5 = "\x89HDF\r\n\x1a\n";
  std::error_code ignored;
  std::string begin(kHdf5.size(), '\0');
  if (std::filesystem::is_regular_file(file, ignored)) std::ifstream(file, std::ios::binary).read(begin.data(), 8);
  if (begin == kHdf5) bad_input("{}: expected a spec (YAML), found an HDF5 file: a result?", file);
  return read_text_file(file, kMostBytes);
}

std::string folder_of(const std::string& file) {
  return std::filesystem::absolute(file).lexically_normal().parent_path().string();
}

}  // namespace

std::optional<std::string> output_of(const std::string& file) {
  const YamlNode tree = parse_yaml(file, text_of(file));
  SpecSource source{file, folder_of(file), {}};
  const Field root(tree, "", source);
  if (!root.is_map()) return std::nullopt;
  for (const YamlEntry& entry : tree.entries)
    if (entry.key == "output") {
      auto path = read_path(Field(entry.value, entry.key, source), "the path of the result file");
      source.problems.throw_if_any();
      return path;
    }
  return std::nullopt;
}

SweepSpec read_spec(const std::string& file, const ModelInspector& inspect) {
  SweepSpec spec;
  spec.text = text_of(file);
  spec.file = std::filesystem::absolute(file).lexically_normal().string();
  spec.layers.mark = {file, 1, 1, "layers"};  // where a complaint about the default goes

  const YamlNode tree = parse_yaml(file, spec.text);
  SpecSource source{file, folder_of(file), {}};
  read_top(Field(tree, "", source), spec);
  if (spec.method.normalize == Method::Normalize::Behaviors && spec.method.over.empty()) {
    spec.method.over.resize(spec.vectors.size());
    std::iota(spec.method.over.begin(), spec.method.over.end(), 0);
  }
  if (inspect) check_models(spec, inspect, source.problems);
  source.problems.throw_if_any();
  return spec;
}

}  // namespace steergrid
