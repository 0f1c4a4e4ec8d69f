// A team whose partials lie on a device and travel through host memory: for GPUs without NCCL between them, such as two
// ranks that share one. Slower than NcclTeam, the same bits. The app puts it before a team over MPI.
#pragma once

#include <vector>

#include "comm/team.h"
#include "kernels/backend.h"

namespace steergrid {

class StagedTeam final : public Team {
 public:
  /// `members` takes host memory.
  explicit StagedTeam(Team& members) : members_(members) {}

  /// The backend that holds the partials of later `gather`s; it must outlive them.
  void use(Backend& backend) { backend_ = &backend; }

  int rank() const override { return members_.rank(); }
  int size() const override { return members_.size(); }
  /// `mine` is the backend's memory, and so are the views returned.
  std::vector<Matrix> gather(Matrix mine) override;
  std::vector<std::byte> gather_host(std::span<const std::byte> mine) override { return members_.gather_host(mine); }
  void broadcast(std::vector<std::byte>& bytes) override { members_.broadcast(bytes); }

 private:
  Team& members_;
  Backend* backend_ = nullptr;
  std::vector<std::byte> host_;
  std::vector<Tensor> parts_;  // one a member; grow to the largest call
};

}  // namespace steergrid
