// How ranks become workers and teams: pure arithmetic, the same in `plan --ranks` and in a run.
#pragma once

#include <vector>

#include "plan/plan.h"

namespace steergrid {

struct Teams {
  int workers = 0;  // ranks that compute
  int degree = 1;   // ranks a team
  int teams = 0;
  int idle = 0;  // workers that fit in no team
};

/// The teams of a world of `ranks` ranks for a model of tensor-parallel degree `degree`. Rank 0 coordinates and holds
/// no model, unless it is alone. Throws Error (bad input) if no team fits; `model` is for the message.
Teams teams_of(int ranks, int degree, const char* model);

/// The same for every model of a plan, in its order. Throws Error (bad input) with all that do not fit, where the spec
/// says so.
std::vector<Teams> teams_of_models(const SweepSpec& spec, const Plan& plan, int ranks);

}  // namespace steergrid
