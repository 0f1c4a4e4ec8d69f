// How far the run is, how fast, how long still: counting (`ProgressMeter`) and two ways to say it. Nothing is printed
// here, and time comes in from outside.
//
// A cell is one model, run, layer and coefficient; a unit of n of a run's N questions counts as n/N of the run's cells.
// The time left extrapolates what finished in this launch, by kind of unit, model size and items; it is unknown until a
// unit of every kind that is left has finished.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "farm/unit_queue.h"

namespace steergrid {

struct ModelProgress {
  int units = 0;
  int done = 0, failed = 0, blocked = 0, in_flight = 0;
  double cells = 0, cells_done = 0;
  int ended() const { return done + failed + blocked; }
};

struct Snapshot {
  std::vector<ModelProgress> models;
  std::optional<int> stage;  // the model at work
  int teams = 0;
  double seconds = 0;  // of this launch
  double cells_per_second = 0;
  std::optional<double> seconds_left;
  bool stopping = false;
  ModelProgress total() const;
};

class ProgressMeter {
 public:
  ProgressMeter(const Plan& plan, double now);
  /// A unit finished in this launch after `seconds` of a team's time.
  void on_done(int unit, double seconds);
  Snapshot snapshot(const UnitQueue& queue, int teams, double now) const;

 private:
  double cells_of(const Unit& unit) const;
  double work_of(const Unit& unit) const;

  const Plan& plan_;
  double start_;
  double cells_ = 0;
  std::array<double, 3> work_{}, seconds_{};  // by UnitKind: done in this launch
};

/// For a terminal, at most `width` columns, no line break: a bar for the model at work, the rest as numbers.
std::string live_line(const Snapshot& s, std::span<const std::string> names, int width);
/// For a log file: everything, no bar.
std::string plain_line(const Snapshot& s, std::span<const std::string> names);
/// 75 -> "1m15s", 4000 -> "1h06m".
std::string duration_text(double seconds);

}  // namespace steergrid
