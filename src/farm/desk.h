// The coordinator's desk: the queue on one side, what the application supplies on the other, and the rule of order
// between them. Knows no messages, so `Coordinator` (over MPI) and `run_inline` (one process) share it.
//
// The order that never changes: an attempt is in the record before its unit goes out; a result is committed before the
// queue hears of it. Whatever a callable throws ends the run: the desk keeps the sentence, hands out nothing more, and
// waits for the units in flight; results that come in after that are dropped and their attempts released (a later
// launch runs them again, and does not suspect them).
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "farm/ending.h"
#include "farm/progress.h"
#include "farm/unit_queue.h"

namespace steergrid {

/// A unit's result as it came from the team's leader.
struct Finished {
  int unit = -1;
  RunMode mode = RunMode::Whole;
  std::uint32_t attempt = 0;
  int team = 0;
  int ranks = 1;   // of the team
  int leader = 0;  // the rank that sent it
  std::uint64_t crc = 0;
  std::uint32_t flags = 0;
  std::int64_t started = 0, finished = 0;  // ns since the epoch, on the leader's clock
  std::vector<std::byte> bytes;
};

/// What the application supplies on rank 0. All run on the main thread of rank 0. Those marked * may be left out.
struct CoordinatorCalls {
  /// Writes the attempt into the unit's record; called before it is handed out (or run, for Vectors units).
  std::function<void(int unit, std::uint32_t attempt)> begin;
  /// What teams need to evaluate the runs of a source: its steering vectors. `vectors_unit` is the source's Vectors
  /// unit. Sent to a leader once a source and model.
  std::function<std::vector<std::byte>(int vectors_unit)> payload;
  /// Stores a result, record included: when it returns, the unit is done.
  std::function<void(const Finished&)> commit;
  /// Computes and stores the unit of a source, record included.
  std::function<void(int unit, std::uint32_t attempt)> run_vectors;
  std::function<void(int unit, const std::string& sentence)> failed;  // stores that and why it failed
  /// Stores that a Vectors unit is blocked, because unit `because_of` (Extract) failed.
  std::function<void(int unit, int because_of)> blocked;
  std::function<void(int unit, std::uint32_t attempt)> released;  // * the attempt does not count: write this one back
  std::function<void(int unit, std::uint32_t attempt)> died;  // * its worker died in it: stores that the attempt counts
  std::function<std::vector<int>()> lost;                     // * ranks that died since the last call: must be cheap
  std::function<void(int rank)> dismiss;          // * tells a rank to leave that may hang in a call with a dead one
  std::function<bool()> stop_requested;           // * asked often: must be cheap
  std::function<void(const Snapshot&)> progress;  // * about five times a second, and at the end
};

class Desk {
 public:
  Desk(const Plan& plan, std::span<const UnitRecord> records, const CoordinatorCalls& calls);

  /// The next order, its attempt recorded; nullopt: nothing for now.
  std::optional<Order> next();
  /// The payload of a source; nullopt if that broke the run.
  std::optional<std::vector<std::byte>> payload(int vectors_unit);
  void accept(const Finished& result);
  void refuse(int unit, const std::string& sentence);
  /// A unit comes back unfinished by nobody's fault.
  void release(int unit);
  /// A unit's team died with it.
  void lose(int unit) { queue_.on_lost(unit); }
  /// And this process lives: the attempt counts, in later launches too.
  void note_death(const Order& order);
  /// The run cannot go on; the first reason counts.
  void break_off(const Ending& why);
  /// Runs Vectors units that became ready, writes verdicts down, looks for a stop request, shows progress.
  void tidy(int teams);

  std::optional<int> stage() const { return queue_.stage(); }
  /// A team's part of the units that are out or could be, if `teams` share them evenly.
  int fair_share(int teams) const { return (queue_.ready() + queue_.in_flight() + teams - 1) / teams; }
  bool at_rest() const { return queue_.at_rest(); }
  /// A request ended the run before its last unit; only when at rest.
  bool stopped() const { return !broken_ && queue_.stage().has_value(); }
  /// How it ended; only when at rest. Shows progress a last time.
  Ending close(int teams);

 private:
  bool guarded(const std::function<void()>& step);
  void write_verdicts();
  void run_vectors();
  void show_progress(int teams, double now);

  const CoordinatorCalls& calls_;
  UnitQueue queue_;
  ProgressMeter meter_;
  std::optional<Ending> broken_;
  double last_shown_ = 0;  // on the monotonic clock
};

}  // namespace steergrid
