// Waiting for MPI without burning a core: poll, at first without a pause, then with ever longer sleeps.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

#include "comm/mpi_handle.h"

namespace steergrid {

/// Call `rest` after every look that found nothing; after a millisecond or so of looking it sleeps.
class Patience {
 public:
  void rest() {
    if (++looks_ < 200) {
      std::this_thread::yield();
      return;
    }
    std::this_thread::sleep_for(sleep_);
    sleep_ = std::min(sleep_ * 2, std::chrono::microseconds(500));
  }

 private:
  int looks_ = 0;
  std::chrono::microseconds sleep_{20};
};

/// MPI_Wait for callers that may wait for long.
inline void wait_asleep(MPI_Request& request, const char* call) {
  Patience patience;
  for (int done = 0;;) {
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call);
    if (done) return;
    patience.rest();
  }
}

}  // namespace steergrid
