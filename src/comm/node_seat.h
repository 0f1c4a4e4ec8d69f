// Where a worker sits on its node: by this number it picks its device (worker modulo the devices it sees, whatever the
// batch system shows it). The coordinator sits on no device, so it is not counted; alone it is a worker too.
#pragma once

#include <optional>

#include "comm/mpi_session.h"

namespace steergrid {

struct NodeSeat {
  int worker = 0;   // this worker's number among those of its node
  int workers = 1;  // of its node
};

/// nullopt on a coordinator that does not compute. Collective over the world.
std::optional<NodeSeat> seat_on_node(const MpiSession& session);

}  // namespace steergrid
