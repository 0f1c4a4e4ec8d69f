// What a launch computes on: threads and memory of a worker, and the machine whose kernels decide its bits. Called by
// run_sweep when the ranks have met.
#pragma once

#include <sched.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "app/devices.h"
#include "app/worker_side.h"
#include "comm/mpi_session.h"
#include "store/records.h"

namespace steergrid {

/// The cores that a rank may use, and where.
struct Cores {
  std::uint64_t host = 0;  // its name's fingerprint
  cpu_set_t cores{};
  std::int32_t launcher_cores = 0;  // how many the mpirun that started it may use; 0: not known, or no mpirun
};

/// The cores of rank `rank`, divided among the ranks that may use the same ones: a launcher that binds ranks has
/// divided them already. Rank 0 needs none where others work.
int threads_for(std::span<const Cores> all, std::size_t rank);

/// Of the first host with workers where mpirun binds its ranks to fewer cores than it has itself: how many cores the
/// workers have, and how many there are.
std::optional<std::pair<int, int>> left_idle(std::span<const Cores> all);

/// threads_for this rank. Rank 0 warns of what mpirun's binding leaves idle. Collective.
int threads_of_a_worker(const MpiSession& session, Team& everybody);

/// Bytes a worker may fill where nothing else is said: its part of its GPU, or an equal part of what its node has free
/// (`seat`: none on a coordinator, which fills none).
std::int64_t memory_of_a_worker(const Device& device, const std::optional<NodeSeat>& seat);

/// What the plan's models compute with here: the GEMM kernels, and so the bits, may differ from dtype to dtype.
struct Machine {
  std::string backend, gemm;
  std::map<std::string, std::string> architecture;  // by name of the dtype

  /// "bfloat16: x86-64 avx512; float32: ..."
  std::string architectures() const;
};

/// The machine that decides a launch's bits. A coordinator of GPUs uses none: its first worker speaks for it.
/// Collective.
Machine machine_together(Team& everybody, const Plan& plan, const Device& device,
                         const WorkerSide::MakeBackend& make_backend);

/// Whether some rank's instruction set gives other bits than rank 0's, which the file names; refused without
/// `allow_mixed`. Collective.
bool machines_differ(const MpiSession& session, Team& everybody, const Machine& mine, bool allow_mixed);

/// When, where, which binary, and what it computes on (`device`: the GPUs' name, empty on CPUs).
store::LaunchRecord launch_record(const MpiSession& session, const Machine& machine, const std::string& device);

}  // namespace steergrid
