// A team: the tensor-parallel ranks that hold one copy of a model. Calls are collective over the team and come in the
// same order on every member. No arithmetic happens here: partials are moved, the caller adds them in rank order.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/tensor.h"

namespace steergrid {

class Team {
 public:
  virtual ~Team() = default;
  virtual int rank() const = 0;  // 0 is the leader
  virtual int size() const = 0;

  /// Every member's `mine` (same shape everywhere), in rank order. The views stay valid until the next call; for a team
  /// of one it is `mine` itself. Collective.
  virtual std::vector<Matrix> gather(Matrix mine) = 0;

  /// Every member's `mine` (same size everywhere) from host memory, one after another in rank order. Collective.
  virtual std::vector<std::byte> gather_host(std::span<const std::byte> mine) = 0;

  /// The leader's bytes on every member; members pass an empty vector. Waits without burning a core. Collective.
  virtual void broadcast(std::vector<std::byte>& bytes) = 0;
};

/// A team of one: nothing moves.
class SoloTeam final : public Team {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::vector<Matrix> gather(Matrix mine) override { return {mine}; }
  std::vector<std::byte> gather_host(std::span<const std::byte> mine) override { return {mine.begin(), mine.end()}; }
  void broadcast(std::vector<std::byte>&) override {}
};

}  // namespace steergrid
