// Extract units: differences of the residual at the answer letter between the two members of each pair, after every
// layer (Rimsky et al. 2023, section 2.1). A pair shares its prompt: one walk of the prompt's rows and one short branch
// a member.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/pass.h"
#include "steer/loaded_model.h"
#include "steer/unit_result.h"

namespace steergrid {

/// How a unit is computed; none of it changes a bit of the result.
struct PassOptions {
  std::int64_t rows = 16384;  // rows in flight at most (one prompt and one fork always fit)
  bool naive = false;         // one full forward a member, question, layer and coefficient: for tests and benchmarks
  std::int64_t chunk_rows = Pass::kChunkRows;  // through a block together; the same on all ranks of a team
};

/// One unit's pairs.
struct ExtractTask {
  std::span<const AbItem> items;
  bool keep_activations = false;
};

/// Runs the tasks' pairs, as many in one pass as `options.rows` holds, whichever task they belong to; each result has
/// the bits that its task has alone. Collective over the model's team; every member returns the same results.
/// Throws Error for an item whose tokens do not fit.
std::vector<ExtractResult> extract(const LoadedModel& model, std::span<const ExtractTask> tasks,
                                   const PassOptions& options);

/// Rows that a task opens. Throws Error as extract does.
std::int64_t rows_of(const LoadedModel& model, const ExtractTask& task);

/// One task.
ExtractResult extract(const LoadedModel& model, std::span<const AbItem> items, bool keep_activations,
                      const PassOptions& options);

}  // namespace steergrid
