// A look at a result file from outside, for `steergrid status`: no MPI, read-only, also while a run is writing.
//
// The file is not trusted: what is no HDF5 file, truncated, of another version, incomplete or of absurd sizes gives an
// Error. /sched/units is read once, so all numbers are of one moment; results themselves are not looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "store/lock.h"
#include "store/records.h"

namespace steergrid::store {

struct StateCounts {
  int total = 0, done = 0, failed = 0, blocked = 0, suspect = 0;
  int not_finite = 0, baseline_only = 0, mixed = 0, reused = 0;  // done ones with that flag
};

struct ModelStatus {
  std::string name, path;
  bool synthetic = false;  // its weights were never trained
  StateCounts extract, vectors, evaluate;
  double cells = 0, cells_done = 0;  // a cell: one run, layer, coefficient; a unit counts by its share of questions
};

struct FailedUnit {
  int unit = -1;
  UnitState state = UnitState::Failed;
  UnitKind kind = UnitKind::Extract;
  std::string model, target;
  int first = 0, count = 0;  // neither is negative, nor does their sum leave an int
  std::uint32_t attempts = 0;
  std::string sentence;
};

struct Status {
  std::string name, created, fingerprint;
  std::vector<ModelStatus> models;  // in the plan's order
  std::vector<FailedUnit> failures;
  StateCounts total;
  double cells = 0, cells_done = 0, cells_computed = 0;  // computed: done and not reused
  // Effort: reused units are left out, for their times are those of the run that computed them.
  double cells_per_second = 0;         // over the last five minutes
  std::optional<double> seconds_left;  // unknown until a unit of every kind that is left has finished
  int launches = 0;
  int under_way = 0;           // of the suspects: begun by the launch that is running right now
  int retries = 0;             // attempts beyond a unit's first, of units that have ended
  double worker_seconds = 0;   // that done units took, times the ranks of their teams
  double seconds_at_work = 0;  // from the first unit of a launch to its last, summed over launches
  bool on_gpus = false;        // what the last launch computed with
  bool finished() const { return total.done == total.total && total.baseline_only == 0; }
  std::optional<LockOwner> running;  // who is writing right now
  int interrupted() const { return total.suspect - under_way; }
};

/// `now`: ns since the epoch, for the rate. Throws Error (bad input). Independent.
Status read_status(const std::string& path, std::int64_t now);

}  // namespace steergrid::store
