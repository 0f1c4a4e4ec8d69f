#include "comm/topology.h"

#include "comm/mpi_team.h"

namespace steergrid {
namespace {

std::unique_ptr<Team> seated(const Communicator& world, const TeamLayout& layout) {
  const auto seat = layout.seat_of(world.rank());
  Communicator members = world.split(seat ? std::optional(seat->team) : std::nullopt);
  if (!members) return nullptr;
  if (members.size() == 1) return std::make_unique<SoloTeam>();
  return std::make_unique<MpiTeam>(std::move(members));
}

}  // namespace

Topology::Topology(const MpiSession& session, const std::vector<int>& degrees) : farm_(session.world().duplicate()) {
  const Communicator& world = session.world();
  bool stores = world.rank() == 0;
  for (const int degree : degrees) groups_.emplace(degree, Group{TeamLayout(world.size(), degree), nullptr, nullptr});
  for (auto& [degree, group] : groups_) {
    group.team = seated(world, group.layout);
    group.orders = seated(world, group.layout);
    stores = stores || group.layout.leads(world.rank());
  }
  store_ = world.split(stores ? std::optional(0) : std::nullopt);
}

}  // namespace steergrid
