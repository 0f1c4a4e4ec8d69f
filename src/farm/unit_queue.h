// Which unit is next? The farm's scheduler as a pure state machine: no MPI, no clock, no files.
//
// Units depend on each other: the Vectors unit of a source waits for all Extract units of that source and of every
// source it is normalised over; the Evaluate units of a run wait for the Vectors unit of its source. A unit that ends
// without a result spoils what waits for it: a Vectors unit is then *blocked*, an Evaluate unit is handed out to
// compute its baseline only. Models come strictly one after another; within a model the lowest ready index is next. So
// the order is a function of the events alone, and the results do not depend on it.
//
// A *suspect* is a unit whose attempt was still open when an earlier launch ended, or when its team lost a rank in this
// one: it may have killed its worker. It runs alone, after everything else that can run, and fails for good when an
// attempt beyond `kAttempts` would be needed: one in company, three alone. Every interrupted attempt makes a suspect,
// but only those count in which its own worker is known to have died: a launch that was killed as a whole (a node's
// failure, a batch system) says nothing of the unit.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "plan/plan.h"

namespace steergrid {

/// Once in company, three times alone.
inline constexpr std::uint32_t kAttempts = 4;

enum class UnitState : std::uint8_t { Waiting, Ready, InFlight, Done, Failed, Blocked };

/// What the result file says of a unit when a launch begins.
struct UnitRecord {
  enum class State : std::uint8_t { Absent, Done, Failed, Blocked } state = State::Absent;
  std::uint32_t attempt = 0;  // with Absent: above 0 if it was handed out and never came back
  bool counts = true;         // that attempt: its worker is known to have died
};

enum class RunMode : std::uint8_t { Whole = 0, BaselineOnly = 1 };

/// One unit for one team.
struct Order {
  int unit = -1;
  RunMode mode = RunMode::Whole;
  std::uint32_t attempt = 0;  // goes into the record before the order goes out
};

/// A unit that ended by the queue's own decision; the coordinator writes it down.
struct Verdict {
  int unit = -1;
  UnitState state = UnitState::Failed;  // Failed: used up its attempts. Blocked: see `because_of`.
  int because_of = -1;                  // the unit that should have given what this one needs
};

class UnitQueue {
 public:
  /// `records`: one a unit, or none at all for a fresh run. Throws Error if their number is another. Keeps `plan`.
  UnitQueue(const Plan& plan, std::span<const UnitRecord> records);

  /// The model at work; nullopt when no unit is left. Moves on by itself when the last unit of a model ends.
  std::optional<int> stage() const;

  /// The next unit for whichever team asks, now in flight; nullopt: nothing for now.
  std::optional<Order> on_request();
  /// The next Vectors unit, now in flight; the coordinator runs it itself.
  std::optional<Order> next_vectors();

  // What became of a unit in flight; all throw Error if it is not in flight.
  void on_done(int unit);
  void on_failed(int unit);
  /// It was not finished, by nobody's fault: it is ready again and its attempt does not count. Returns the attempt that
  /// its record should go back to.
  std::uint32_t on_released(int unit);
  /// Its team died: it is a suspect.
  void on_lost(int unit);

  /// Hands out nothing more.
  void stop() { stopping_ = true; }

  /// What was decided since the last call.
  std::vector<Verdict> take_verdicts();

  UnitState state(int unit) const { return nodes_[static_cast<std::size_t>(unit)].state; }
  int in_flight() const { return in_flight_; }
  /// Units of the stage that could be handed out now, were teams to ask.
  int ready() const;
  bool stopping() const { return stopping_; }
  /// Nothing runs and nothing more will be handed out.
  bool at_rest() const { return in_flight_ == 0 && (stopping_ || !stage()); }

 private:
  struct Node {
    UnitState state = UnitState::Waiting;
    RunMode mode = RunMode::Whole;
    std::uint32_t attempt = 0;
    bool suspect = false;
    int waits_for = 0;            // units it needs that have not ended
    int spoiled_by = -1;          // a unit it needs that ended without a result
    std::vector<int> dependants;  // units that need this one
  };
  struct Stage {
    std::set<int> ready, ready_vectors, suspects;
    int open = 0;  // units that have not ended
  };

  Node& node(int unit) { return nodes_[static_cast<std::size_t>(unit)]; }
  UnitKind kind(int unit) const { return plan_.units[static_cast<std::size_t>(unit)].kind; }
  Stage& stage_of(int unit);
  void link(const ModelPlan& model);
  void depend(int unit, int on);
  void recall(int unit, const UnitRecord& record);
  void get_ready(int unit);
  Order hand_out(std::set<int>& from);
  Node& take_back(int unit);
  void end(int unit, UnitState state);
  void tell_dependants(int unit);

  const Plan& plan_;
  std::vector<Node> nodes_;
  std::vector<Stage> stages_;
  std::vector<Verdict> verdicts_;
  int in_flight_ = 0;
  bool alone_ = false;  // a suspect is in flight
  bool stopping_ = false;
};

}  // namespace steergrid
