// Where a launch computes: on CPUs, or on one GPU a worker; and how the members of a team exchange partials there.
// Called by `run` (sweep.cpp) once at start-up; `doctor` says what it would find.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/places.h"
#include "comm/mpi_session.h"
#include "comm/nccl_team.h"
#include "comm/node_seat.h"
#include "comm/topology.h"
#include "engine/staged_team.h"
#include "kernels/backend.h"

namespace steergrid {

struct Device {
  bool cuda = false;
  int number = 0;             // of this rank's GPU among those it sees
  bool shared = false;        // some ranks of the launch share a GPU
  int workers = 0;            // of the launch, on GPUs
  std::int64_t memory = 0;    // bytes a worker has on its GPU: the least of all workers
  std::string name;           // of the GPUs of all workers, "8 x NVIDIA H100 80GB HBM3"; empty on CPUs
  std::vector<Place> places;  // of all ranks, in their order
};

/// Auto takes GPUs where every worker sees one, CPUs where none does. A worker's GPU is its number on its node
/// (`seat`), modulo the GPUs it sees. Throws Error on every rank alike: a worker without a GPU, or two on one (by host
/// and UUID) without `share`. Collective over `everybody`, all ranks of `session`.
Device choose_device(const MpiSession& session, Team& everybody, const std::optional<NodeSeat>& seat,
                     BackendChoice choice, bool share);

/// The teams as a pass uses them: NCCL between GPUs, through host memory where ranks share one, MPI between CPUs.
class Exchanges {
 public:
  /// Makes the NCCL teams of every degree in the plan. Collective over each team.
  Exchanges(const Topology& topology, const std::vector<int>& degrees, const Device& device);

  /// The members of `team`, as the backend that `use` names next wants to meet them; valid until the next call.
  Team& between(Team& team);
  void use(Backend& backend);

 private:
  bool cuda_;
  std::map<int, std::unique_ptr<NcclTeam>> nccl_;  // by degree
  NcclTeam* chosen_ = nullptr;
  std::optional<StagedTeam> staged_;
};

}  // namespace steergrid
