// Whether a model's weights stay in the memory of a team's ranks or stream through it, and how many rows a pass has:
// each member says how it could hold the model, and the most careful one decides for all. Arithmetic only.
#pragma once

#include <cstdint>
#include <span>

#include "plan/fit.h"

namespace steergrid {

/// What a worker has for a model.
struct Room {
  MemoryOptions options;         // of a pass
  std::int64_t rows_wanted = 0;  // 0: the usual, or as many as memory holds where weights stream
  std::int64_t bytes = 0;
};

struct PassRows {
  std::int64_t in_pass = 0, in_chunk = 0;
};

/// How a member could hold a model, as it travels.
struct Residing {
  std::int64_t streamed = 0;  // 0 or 1
  PassRows if_resident, if_streamed;

  const PassRows& rows() const { return streamed != 0 ? if_streamed : if_resident; }
};

/// The model in this room at its own degree.
Fit fit_in(const ModelFacts& facts, WeightsIn where, const Room& room);

Residing residing_of(const ModelFacts& facts, WeightsIn where, const Room& room);

/// What all members can bear: weights stream if they must anywhere, and rows are the fewest. `all`: one at least.
Residing most_careful(std::span<const Residing> all);

}  // namespace steergrid
