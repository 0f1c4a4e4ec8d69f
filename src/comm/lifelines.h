// Who has died? One TCP connection between rank 0 and every other rank, open as long as both live.
//
// The kernel closes a dead process's connection, so both sides learn of a death at once, whatever the launcher does and
// wherever MPI waits; a lost node is noticed by keep-alive within a minute. A thread of its own watches, because the
// main thread may hang in a call whose peer is gone. A rank always leaves when rank 0 is gone. Rank 0 leaves when any
// rank is gone, except between `tolerate` and `insist`: there `lost` says who, and the farm goes on without. Who leaves
// waits a little first: a launcher that ends the whole launch (mpirun's default) should be the one to do it. No model
// data passes here, and no MPI call is made after the constructor. A rank that cannot connect is not watched, and does
// not watch; rank 0 warns of it.
#pragma once

#include <memory>
#include <vector>

#include "comm/mpi_session.h"
#include "comm/team.h"

namespace steergrid {

class Lifelines {
 public:
  /// `everybody`: all ranks of the session. Collective.
  Lifelines(const MpiSession& session, Team& everybody);
  /// Says goodbye to the other side and watches no more.
  ~Lifelines();
  Lifelines(const Lifelines&) = delete;
  Lifelines& operator=(const Lifelines&) = delete;

  // Rank 0.
  /// From here on a death ends nothing; a rank that says goodbye is as lost as a dead one.
  void tolerate();
  /// From here on a death ends this process again, and so does one that `lost` has not told; a goodbye is in order.
  void insist();
  /// Ranks that were lost since the last call. Cheap.
  std::vector<int> lost();
  /// Tells a rank to leave, by ending its line.
  void cut(int rank);

 private:
  struct Watch;
  std::unique_ptr<Watch> watch_;
};

}  // namespace steergrid
