#include "comm/node_seat.h"

namespace steergrid {

std::optional<NodeSeat> seat_on_node(const MpiSession& session) {
  const bool computes = session.rank() > 0 || session.size() == 1;
  const Communicator workers = session.world().split(computes ? std::optional(0) : std::nullopt);
  if (!workers) return std::nullopt;
  const Communicator here = workers.split_by_node();
  return NodeSeat{here.rank(), here.size()};
}

}  // namespace steergrid
