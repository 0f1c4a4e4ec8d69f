// `steergrid run` from MPI_Init to the last record: who does what on which rank.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "app/devices.h"
#include "comm/mpi_session.h"
#include "farm/ending.h"
#include "farm/watchdog.h"
#include "farm/worker.h"

namespace steergrid {

struct SweepOptions {
  std::string spec;
  std::string log;          // file for log lines; empty: none
  std::string reuse;        // result file to copy finished units from; empty: none
  int threads = 0;          // of a worker; 0: the node's cores divided among its workers
  std::int64_t rows = 0;    // in one pass; 0: the usual, or what memory holds where weights stream
  std::int64_t memory = 0;  // bytes a worker may fill; 0: an equal part of what its node has free
  BackendChoice backend = BackendChoice::Auto;
  bool share_gpus = false;  // several workers may use one GPU; their partials then travel through host memory
  bool naive = false;
  bool allow_mixed = false;
  bool full_hash = false;
  bool retry_failed = false;
  bool verbose = false;
};

/// Empty in the program. Tests put faults between the farm and the work, or have rank 0 write the results of all, as
/// where a file system allows nothing else: there is no other way to ask for that.
struct SweepHooks {
  std::function<WorkerCalls(WorkerCalls)> worker;
  bool rank_0_writes = false;
};

/// Runs or resumes a sweep. The same Ending on every rank. `start` is reset when deaths are noticed. Throws Error where
/// the sweep could not begin. Collective over all ranks of the launch.
Ending run_sweep(const MpiSession& session, const SweepOptions& options, const SweepHooks& hooks,
                 std::optional<StartWatch>& start);

}  // namespace steergrid
