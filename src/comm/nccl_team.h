// A team whose partials stay on its GPUs: NCCL moves them, nothing is computed on the way (no NCCL sum: a ring's order
// depends on an element's place). What little host memory travels goes over the team it was made from.
//
// Chosen by CMake: nccl_team.cpp, or nccl_absent.cpp in a build without it, where making one throws. Never hangs: a
// watcher leaves with exit code 75 when a transfer does not end (a dead peer's mates wait in a kernel for ever, and
// NCCL's own abort may hang too). One GPU a member; two members on one GPU are refused by NCCL.
#pragma once

#include <memory>
#include <string>

#include "comm/team.h"

namespace steergrid {

class NcclTeam final : public Team {
 public:
  /// `members`: the same ranks over MPI; must outlive this. `device`: this rank's GPU. After `patience` seconds without
  /// a transfer's end the process leaves. Throws Error on every member alike. Collective over `members`.
  NcclTeam(Team& members, int device, double patience = 300);
  ~NcclTeam() override;

  /// Whether this build has NCCL, and its version ("2.28.9") or why not.
  static bool available();
  static std::string version();

  /// Later `gather`s run in this queue's order (Backend::queue).
  void use_queue(void* queue);

  int rank() const override { return members_.rank(); }
  int size() const override { return members_.size(); }
  /// `mine` is GPU memory, and so are the views returned: complete for whoever uses them on the same queue.
  std::vector<Matrix> gather(Matrix mine) override;
  std::vector<std::byte> gather_host(std::span<const std::byte> mine) override { return members_.gather_host(mine); }
  void broadcast(std::vector<std::byte>& bytes) override { members_.broadcast(bytes); }

 private:
  struct State;
  Team& members_;
  std::unique_ptr<State> state_;
};

}  // namespace steergrid
