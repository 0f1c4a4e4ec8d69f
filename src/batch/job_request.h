// What to ask Slurm for: nodes, workers, cores, time, memory and when to send the signal, worked out from what sweeps
// demand and what the site is like. Arithmetic only, all of it estimates; the text is job_script's.
//
// The rules: 1 + N x W ranks, the coordinator on the first node besides its workers, W workers a node (one a GPU). W is
// such that no team crosses nodes unless a copy of the model does not fit one. Time is one and a half times the
// estimate, and room to start and to stop; the signal comes twice the longest unit and a minute before the end.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "batch/demand.h"
#include "batch/site_profile.h"

namespace steergrid {

/// What the user fixed on the command line; the rest is worked out.
struct FixedRequest {
  std::optional<int> nodes;
  std::optional<std::int64_t> seconds;
};

struct JobRequest {
  int nodes = 1;
  int workers = 1;  // a node; one a GPU where there are GPUs
  bool gpus = false;
  int cores = 1;                 // a rank
  std::int64_t minutes = 0;      // of one job; it requeues itself if that is not enough
  std::int64_t signal_lead = 0;  // seconds before the end
  std::int64_t memory_mib = 0;   // of a node; 0: all of it
  double estimate = 0;           // seconds of the longest sweep
  double longest_unit = 0;       // seconds

  int ranks() const { return 1 + nodes * workers; }
  int tasks_per_node() const { return workers + 1; }
};

/// One request that will do for each of `sweeps` (at least one). Throws Error (bad input) where the largest model needs
/// more workers than the site or the user gives, or the time limit is too short for the longest unit.
JobRequest request_for(const std::vector<SweepDemand>& sweeps, const SiteProfile& site, const FixedRequest& fixed);

/// Workers a node out of `offered` so that teams of `degree` (a power of two) do not cross nodes, or, if they must,
/// fill them.
int workers_for(int offered, int degree);

}  // namespace steergrid
