// read_spec: the top level of a spec. The tree comes from yaml_tree, values from read_values, lists from read_sections.
#include <algorithm>
#include <filesystem>
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
  if (path->ends_with('/') || std::filesystem::is_directory(*path, error))
    field->problem(fmt::format("expected a file, found the folder {}", in_quotes(*path)));
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

}  // namespace

SweepSpec read_spec(const std::string& file, const ModelInspector& inspect) {
  SweepSpec spec;
  spec.text = read_text_file(file, kMostBytes);
  spec.file = std::filesystem::absolute(file).lexically_normal().string();
  spec.layers.mark = {file, 1, 1, "layers"};  // where a complaint about the default goes

  const YamlNode tree = parse_yaml(file, spec.text);
  SpecSource source{file, std::filesystem::path(spec.file).parent_path().string(), {}};
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
