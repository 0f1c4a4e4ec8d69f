// Deadlines that hold even while this thread hangs in MPI.
//
// What needs none: the death of a rank, which comm/lifelines.h notices. What needs one: MPI_Init, before there are
// lifelines; a member of a team that waits for mates who wait for it (see worker.h).
#pragma once

#include <string>
#include <thread>

namespace steergrid {

class Deadline {
 public:
  /// Unless destroyed within `seconds`: logs `sentence` and leaves at once with exit code 75 (run again).
  Deadline(double seconds, std::string sentence);
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() = default;

 private:
  std::jthread watcher_;
};

}  // namespace steergrid
