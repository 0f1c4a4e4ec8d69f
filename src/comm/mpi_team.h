// A team over MPI: host memory moved between ranks, nothing computed.
//
// `gather` uses the blocking MPI_Allgather: members run in step and wait for microseconds. `broadcast` and
// `gather_host` may wait for long (for the next order, for the slowest loader) and poll with short sleeps instead.
// Amounts beyond what one MPI call takes go in chunks; the bytes that arrive are the same.
// Also serves as "everybody" at start-up: MpiTeam(session.world().duplicate()).
#pragma once

#include "comm/communicator.h"
#include "comm/team.h"

namespace steergrid {

class MpiTeam final : public Team {
 public:
  /// `chunk`: most bytes a call receives altogether; tests make it small.
  explicit MpiTeam(Communicator members, std::size_t chunk = std::size_t{1} << 30);

  int rank() const override { return members_.rank(); }
  int size() const override { return members_.size(); }
  std::vector<Matrix> gather(Matrix mine) override;
  std::vector<std::byte> gather_host(std::span<const std::byte> mine) override;
  void broadcast(std::vector<std::byte>& bytes) override;

 private:
  Communicator members_;
  std::size_t chunk_;
  std::vector<std::byte> gathered_;  // what the last gather's views point into
};

}  // namespace steergrid
