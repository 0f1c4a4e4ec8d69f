#include "spec/check_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/model_path.h"
#include "spec/layers.h"

namespace steergrid {

bool takes_part(const ModelSpec& model, const RunSpec& run) {
  return !model.runs || std::count(model.runs->begin(), model.runs->end(), run.name) > 0;
}

const LayerSelection& selection_of(const SweepSpec& spec, const ModelSpec& model, const RunSpec& run) {
  if (run.layers) return *run.layers;
  return model.layers ? *model.layers : spec.layers;
}

void check_shape(const ModelSpec& model, const ModelShape& shape, int degree, SpecProblems& problems) {
  if (shape.n_layers < 1)
    problems.add(model.mark, fmt::format("expected a model with layers, found {}", shape.n_layers));
  if (shape.divides(degree)) return;
  problems.add(model.tensor_parallel_mark,
               fmt::format("expected a degree that divides the model's {} heads, {} key/value heads and {} "
                           "feed-forward columns, found {} (model '{}')",
                           shape.n_heads, shape.n_kv_heads, shape.feed_forward, degree, model.name));
}

void check_models(const SweepSpec& spec, const ModelInspector& inspect, SpecProblems& problems) {
  for (const ModelSpec& model : spec.models) {
    std::error_code ignored;
    if (!is_synthetic(model.path) && !std::filesystem::is_directory(model.path, ignored)) continue;  // told already
    ModelShape shape;
    try {
      shape = inspect(spec, model, problems);
    } catch (const Error& e) {
      problems.add_lines(model.mark, e.what());
      continue;
    }
    check_shape(model, shape, model.tensor_parallel.value_or(1), problems);
    for (const RunSpec& run : spec.runs) {
      if (!takes_part(model, run)) continue;
      const LayerSelection& selection = selection_of(spec, model, run);
      std::string problem;
      layers_of(selection, shape.n_layers, problem);
      if (!problem.empty()) problems.add(selection.mark, fmt::format("{} (model '{}')", problem, model.name));
    }
  }
}

}  // namespace steergrid
