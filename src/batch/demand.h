// What a sweep demands of machines, taken from its plan and its price: per model the ranks a copy takes, bytes, FLOPs
// and the longest unit. The input of job_request's arithmetic; nothing here knows a site.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/cost.h"
#include "spec/sweep_spec.h"

namespace steergrid {

struct ModelDemand {
  std::string name;
  int degree = 1;                 // ranks that hold one copy
  std::int64_t weights = 0;       // bytes of a copy, all ranks
  bool streamed = false;          // not kept by its teams, but read by each to extract and again to evaluate
  std::int64_t rank_bytes = 0;    // what a rank holds where it computes
  std::int64_t host_buffers = 0;  // that a rank reads files into
  double flops = 0;               // of all units
  double longest_unit = 0;        // FLOPs
  int units = 0;                  // that teams run
};

struct SweepDemand {
  std::string name;
  std::vector<ModelDemand> models;
};

/// `costs`, `memory` (with resident weights) and `streamed` (whether they are not) as Plan::models.
SweepDemand demand_of(const SweepSpec& spec, const Plan& plan, const std::vector<ModelCost>& costs,
                      const std::vector<MemoryModel>& memory, const std::vector<bool>& streamed);

}  // namespace steergrid
