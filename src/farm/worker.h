// Ranks 1..n-1: wait for a stage, open its model as a team, run units until the stage is over.
//
// A team's leader talks to rank 0 and passes each order on to its members; every member then calls `run` with the same
// arguments. Nobody waits at full load. If units are short the leader asks for the next one before it runs the last.
// A leader whose model is best run for several units at once asks for that many, and gets at most a fair share of what
// there is.
//
// What an exception means, by whom it is thrown:
// - open_model, close_model, what an Answer has to store: the run cannot go on; everybody stops, with that sentence.
// - run, an Error (bad input, failed): the unit has failed, the sweep goes on. In a team of several every member throws
//   it, and not between two collective calls that others still make: the members agree on it after the unit. A member
//   that threw while its mates are inside the pass sees no agreement for a minute and leaves (exit code 75).
// - run, an Error with code RunAgain (a lost peer): the process leaves at once with that code.
// - run, anything else (out of memory, a bug): a failed unit in a team of one; in a larger team the process leaves at
//   once with code 75: its mates may be in the middle of a transfer. After a restart the unit is a suspect.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "comm/mailbox.h"
#include "comm/topology.h"
#include "farm/ending.h"
#include "farm/messages.h"
#include "farm/unit_queue.h"

namespace steergrid {

/// What running a unit gave; only the leader's is used.
struct Answer {
  std::uint64_t crc = 0;
  std::uint32_t flags = 0;
  std::vector<std::byte> bytes;  // travels to rank 0, which stores it
  // Large arrays that the leader stores itself, before rank 0 hears of the unit: written in the main thread, made
  // durable in another one while the next unit runs.
  std::function<void()> write_first, make_durable;
};

/// A unit to run: `payload` is what CoordinatorCalls::payload gave for this order's source; empty for Extract units and
/// baselines.
struct Task {
  Order order;
  std::span<const std::byte> payload;
};

/// What the application supplies on workers. Those marked * may be left out.
struct WorkerCalls {
  /// Collective over the team in the sense that all members call it; they may take different times.
  std::function<void(int model, Team& team)> open_model;
  std::function<void(int model)> close_model;
  /// `payload`: what CoordinatorCalls::payload gave for this order's source; empty for Extract units and baselines.
  std::function<Answer(const Order& order, std::span<const std::byte> payload, Team& team)> run;
  /// * How many units of the open model are best run together (its weights stream past all of them at once); else 1.
  std::function<int()> at_once;
  /// * Answers in the order of the tasks. Where it throws what fails a unit, the units are run again one by one.
  std::function<std::vector<Answer>(std::span<const Task> tasks, Team& team)> run_together;
};

/// Seconds. While a leader runs a unit it should already have the next one: else its GPU waits for the way to rank 0
/// and back, and for the disk there. The price is paid at a sweep's end: a team may hold one unit of about this length
/// that an idle team could have taken.
constexpr double kShortUnit = 2;

class Worker {
 public:
  /// A leader asks ahead after units shorter than `short_unit`.
  Worker(const Plan& plan, const Topology& topology, const WorkerCalls& calls, double short_unit = kShortUnit);

  /// Works until rank 0 says STOP; returns how the run ended.
  Ending run();

 private:
  class Leading;
  void work_on(int model);
  void follow(Team& orders, const std::function<void(message::Work&)>& obey);
  void report(const Ending& why);

  const Plan& plan_;
  const Topology& topology_;
  const WorkerCalls& calls_;
  Mailbox mail_;
  double short_unit_;
  std::optional<Letter> next_;  // the STAGE or STOP that ended the last stage
};

}  // namespace steergrid
