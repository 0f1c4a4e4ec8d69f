// Deadlines that hold even while this thread hangs in MPI.
//
// What needs none: if a rank dies, mpirun ends the launch within about a second. What needs one: a member of a team
// that waits for mates who wait for it (see worker.h). What will: `--enable-recovery`, where mpirun lets survivors go
// on; then every worker puts a Deadline on rank 0 and every team one on each pass, and a team with a dead member
// leaves.
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
