// Evaluate units: log-probabilities of the answer letters for every (layer, coefficient) cell and for the unsteered
// baseline. One plain pass of the question serves all its cells; each cell is a fork of it.
#pragma once

#include <span>
#include <vector>

#include "steer/extract.h"
#include "steer/loaded_model.h"
#include "steer/unit_result.h"
#include "steer/vectors.h"

namespace steergrid {

/// What one run asks of a question.
struct CellGrid {
  std::span<const int> layers;
  std::span<const double> coefficients;  // 0 means the baseline and costs nothing
  std::span<const char> letters;
  Positions positions = Positions::InstructionEnd;
};

/// One unit's questions. Tasks of one run may share `added`, which then lies in the pass's memory once.
struct EvaluateTask {
  std::span<const AbItem> items;
  CellGrid grid;
  const AddedVectors* added = nullptr;
};

/// Runs the tasks' questions, as many in one pass as `options.rows` holds, whichever task they belong to; each result
/// has the bits that its task has alone. Collective, and throws, as the one below.
std::vector<EvaluateResult> evaluate(const LoadedModel& model, std::span<const EvaluateTask> tasks,
                                     const PassOptions& options);

/// Rows that a task opens at most: its questions and a fork for each cell. Throws Error as evaluate does.
std::int64_t rows_of(const LoadedModel& model, const EvaluateTask& task);

/// Runs the questions `items` over the grid. `added` is what the grid's layers add (one row a layer), or null: baseline
/// only, steered cells NaN. Collective over the model's team; every member returns the same result.
/// Throws Error for an item whose tokens do not fit, and where the self-check fails: a fork that adds nothing must give
/// the baseline's bits, and steering must change something.
EvaluateResult evaluate(const LoadedModel& model, std::span<const AbItem> items, const CellGrid& grid,
                        const AddedVectors* added, const PassOptions& options);

}  // namespace steergrid
