// All groups of ranks a run needs, made once at start-up: after that nothing is collective beyond a single team.
//
// For every tensor-parallel degree of the plan: this rank's team, and a second one of the same members for orders and
// agreement, so that talk about a pass can never meet the pass's own transfers. One `store` communicator: rank 0 and
// every rank that leads under any degree. One `farm` communicator of all ranks, for mail.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/team_layout.h"
#include "comm/mpi_session.h"
#include "comm/team.h"

namespace steergrid {

class Topology {
 public:
  /// Throws Error (bad input) on every rank alike if a degree does not fit. Collective over the world.
  Topology(const MpiSession& session, const std::vector<int>& degrees);

  int rank() const { return farm_.rank(); }
  int size() const { return farm_.size(); }
  bool alone() const { return size() == 1; }

  const TeamLayout& layout(int degree) const { return groups_.at(degree).layout; }
  std::optional<Seat> seat(int degree) const { return layout(degree).seat_of(rank()); }
  /// This rank's team under `degree`; only where it has a seat.
  Team& team(int degree) const { return *groups_.at(degree).team; }
  /// The same members, for orders and agreement between passes.
  Team& orders(int degree) const { return *groups_.at(degree).orders; }

  /// Empty on a rank that never leads.
  const Communicator& store() const { return store_; }
  const Communicator& farm() const { return farm_; }

 private:
  struct Group {
    TeamLayout layout;
    std::unique_ptr<Team> team, orders;
  };
  std::map<int, Group> groups_;
  Communicator store_, farm_;
};

}  // namespace steergrid
