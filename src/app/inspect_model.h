// What only a model's own files show of a sweep: whether its tensors are those of its config, and how its tokenizer
// cuts the items of the data sets. Problems go where the spec's own go, so that they are told together.
#pragma once

#include "engine/model_source.h"
#include "plan/cost.h"
#include "spec/problems.h"
#include "spec/sweep_spec.h"

namespace steergrid {

/// Every tensor of the model is there, with its shape, and no other.
void check_tensors(const ModelSource& source, const ModelSpec& model, SpecProblems& problems);

/// The token statistics of the data sets that the model takes part in, in the order of its plan. An item that does not
/// tokenize as it must is left out of them and told (data set, item, model, what is wrong), at most 3 a data set; those
/// that are longer than the model takes are one problem a data set. A tokenizer that cannot be read is one problem and
/// gives no counts.
TokenCounts count_tokens(const SweepSpec& spec, const ModelSpec& model, const ModelSource& source,
                         SpecProblems& problems);

}  // namespace steergrid
