// What ends this process even while its thread hangs in MPI.
//
// What needs none: the death of a rank, which comm/lifelines.h notices. What needs one: the start, before there are
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

/// Over a start that may never end: a rank that died leaves the others in MPI_Init, and so does a launcher that dies
/// while PMIx_Init talks to it (Open MPI 4.1).
class StartWatch {
 public:
  /// Unless destroyed within `seconds`, and before the parent process ends if that is a launcher (`launched`): logs why
  /// and leaves at once with exit code 75 (run again).
  StartWatch(double seconds, bool launched);

 private:
  std::jthread watcher_;
};

}  // namespace steergrid
