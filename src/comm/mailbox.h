// Byte messages between single ranks that never make anybody wait: what the farm talks through.
//
// `post` starts a send and keeps the bytes until they are delivered; `take` gives the next message that has wholly
// arrived. Both only poll, so a dead peer blocks nobody. Messages of one sender arrive in the order they were posted.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "comm/communicator.h"

namespace steergrid {

struct Letter {
  int from = 0;
  std::vector<std::byte> bytes;
};

class Mailbox {
 public:
  /// `members` must outlive the mailbox and carry no other messages.
  explicit Mailbox(const Communicator& members);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// Throws Error if the message is larger than MPI can count (2 GiB).
  void post(int to, std::vector<std::byte> bytes);
  std::optional<Letter> take();
  /// Waits, asleep most of the time, until a letter is there.
  Letter wait();
  /// Waits until every post has left, at most `seconds`; whether it has.
  bool deliver(double seconds);
  /// `rank` has died: what was posted to it is waited for no more.
  void forget(int rank);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steergrid
