// What a spec asks of its models, held against their shapes: by the reader, so that a layer outside a model is told
// together with the spec's other problems, and by the plan.
#pragma once

#include "base/model_shape.h"
#include "spec/problems.h"
#include "spec/sweep_spec.h"

namespace steergrid {

/// Whether a run is one of those the model takes part in.
bool takes_part(const ModelSpec& model, const RunSpec& run);

/// The layers a run is evaluated at on a model: the run's own, else the model's, else the sweep's.
const LayerSelection& selection_of(const SweepSpec& spec, const ModelSpec& model, const RunSpec& run);

/// Layers there are, and a degree that divides heads, key/value heads and feed-forward columns.
void check_shape(const ModelSpec& model, const ModelShape& shape, int degree, SpecProblems& problems);

/// Calls `inspect` for every model whose folder is there, and checks degrees and the layers of all runs.
void check_models(const SweepSpec& spec, const ModelInspector& inspect, SpecProblems& problems);

}  // namespace steergrid
