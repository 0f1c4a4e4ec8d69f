// One run a result file: rank 0 holds `flock` on NAME.h5.lock from before the file is looked at until the end.
//
// The lock dies with the process, so kill -9 leaves nothing to clean. Where the file system has no flock, an O_EXCL
// file NAME.h5.owner stands in: it counts as abandoned when its process is gone (same host) or its heartbeat is 10
// minutes old, and is then taken over by one run (NAME.h5.owner.takeover, for a moment; one that is older than
// a minute is removed, its run was killed). Independent; rank 0 only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

namespace steergrid::store {

/// Who holds an output, as written into the lock file.
struct LockOwner {
  std::string host, job;  // job: the batch system's id, if any
  std::int64_t pid = 0;
  std::string started;  // ISO 8601
  std::string text() const;
};

class OutputLock {
 public:
  enum class Kind : std::uint8_t { Flock, OwnerFile };

  /// Makes the output's folder if needed. Throws Error naming the owner if another process holds `output`, or if the
  /// folder cannot be written. An owner file is touched every `beat`.
  explicit OutputLock(const std::string& output, Kind preferred = Kind::Flock,
                      std::chrono::milliseconds beat = std::chrono::seconds(30));
  ~OutputLock();
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

 private:
  bool take_flock(const LockOwner& me);
  void take_owner_file(const LockOwner& me);

  std::string output_, file_;
  int descriptor_ = -1;
  Kind kind_ = Kind::Flock;
  std::jthread heart_;  // of an owner file: it beats however long the other threads are busy
};

/// Who holds `output` at the moment; nullopt: nobody.
std::optional<LockOwner> lock_owner(const std::string& output);

}  // namespace steergrid::store
