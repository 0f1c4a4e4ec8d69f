#include "farm/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace steergrid {
namespace {

std::size_t index(int i) { return static_cast<std::size_t>(i); }
std::size_t index(UnitKind k) { return static_cast<std::size_t>(k); }

double cells_of_run(const RunPlan& run) {
  return static_cast<double>(run.layers.size()) * static_cast<double>(run.coefficients.values.size());
}

const RunPlan& run_of(const Plan& plan, const Unit& unit) {
  return plan.models[index(unit.model)].runs[index(unit.target)];
}

}  // namespace

ModelProgress Snapshot::total() const {
  ModelProgress t;
  for (const ModelProgress& m : models) {
    t.units += m.units;
    t.done += m.done;
    t.failed += m.failed;
    t.blocked += m.blocked;
    t.in_flight += m.in_flight;
    t.cells += m.cells;
    t.cells_done += m.cells_done;
  }
  return t;
}

ProgressMeter::ProgressMeter(const Plan& plan, double now) : plan_(plan), start_(now) {}

double ProgressMeter::cells_of(const Unit& unit) const {
  if (unit.kind != UnitKind::Evaluate) return 0;
  const RunPlan& run = run_of(plan_, unit);
  return cells_of_run(run) * unit.count / std::max(1, run.items);
}

/// Proportional to what a unit of its kind costs; only units of one kind are compared by it.
double ProgressMeter::work_of(const Unit& unit) const {
  const double size =
      static_cast<double>(std::max<std::int64_t>(1, plan_.models[index(unit.model)].facts.shape.parameters()));
  const double cells = unit.kind == UnitKind::Evaluate ? cells_of_run(run_of(plan_, unit)) : 1;
  return size * unit.count * cells;
}

void ProgressMeter::on_done(int unit, double seconds) {
  const Unit& u = plan_.units[index(unit)];
  cells_ += cells_of(u);
  work_[index(u.kind)] += work_of(u);
  seconds_[index(u.kind)] += seconds;
}

Snapshot ProgressMeter::snapshot(const UnitQueue& queue, int teams, double now) const {
  Snapshot s;
  s.models.resize(plan_.models.size());
  s.stage = queue.stage();
  s.teams = teams;
  s.seconds = now - start_;
  s.stopping = queue.stopping();
  s.cells_per_second = s.seconds > 0 ? cells_ / s.seconds : 0;
  std::array<double, 3> left{};
  for (std::size_t i = 0; i < plan_.units.size(); ++i) {
    const Unit& u = plan_.units[i];
    ModelProgress& m = s.models[index(u.model)];
    const UnitState state = queue.state(static_cast<int>(i));
    ++m.units;
    m.cells += cells_of(u);
    if (state == UnitState::Done) m.cells_done += cells_of(u);
    m.done += state == UnitState::Done;
    m.failed += state == UnitState::Failed;
    m.blocked += state == UnitState::Blocked;
    m.in_flight += state == UnitState::InFlight;
    if (state == UnitState::Waiting || state == UnitState::Ready || state == UnitState::InFlight)
      left[index(u.kind)] += work_of(u);
  }
  double seconds_left = 0;
  for (const UnitKind kind : {UnitKind::Extract, UnitKind::Evaluate}) {
    const std::size_t k = index(kind);
    if (left[k] <= 0) continue;
    if (work_[k] <= 0) return s;  // never seen one: the time left is unknown
    seconds_left += left[k] * seconds_[k] / work_[k];
  }
  s.seconds_left = seconds_left / std::max(1, teams);
  return s;
}

std::string duration_text(double seconds) {
  const auto t = std::llround(std::clamp(seconds, 0.0, 1e15));  // of untrusted records: may be anything
  if (t < 60) return fmt::format("{}s", t);
  if (t < 3600) return fmt::format("{}m{:02}s", t / 60, t % 60);
  if (t < 48 * 3600) return fmt::format("{}h{:02}m", t / 3600, t / 60 % 60);
  return fmt::format("{}d{:02}h", t / 86400, t / 3600 % 24);
}

namespace {

std::string trouble_text(const ModelProgress& m) {
  std::string text;
  if (m.failed > 0) text += fmt::format("  {} failed", m.failed);
  if (m.blocked > 0) text += fmt::format("  {} blocked", m.blocked);
  return text;
}

std::string rate_text(double cells_per_second) {
  return fmt::format("{} cells/s", cells_per_second < 10 ? fmt::format("{:.2f}", cells_per_second)
                                                         : fmt::format("{:.0f}", cells_per_second));
}

std::string bar_text(double share, int width) {
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
  return "[" + std::string(index(full), '#') + std::string(index(width - full), '.') + "]";
}

std::string_view name_of_model(std::span<const std::string> names, int model) {
  return index(model) < names.size() ? std::string_view(names[index(model)]) : std::string_view("?");
}

double share_of(int part, int whole) { return whole > 0 ? static_cast<double>(part) / whole : 1; }

}  // namespace

std::string live_line(const Snapshot& s, std::span<const std::string> names, int width) {
  const ModelProgress total = s.total();
  std::string line;
  if (s.stage) {
    const ModelProgress& m = s.models[index(*s.stage)];
    line = fmt::format("{} ({}/{}) {} {}/{} units", name_of_model(names, *s.stage), *s.stage + 1, s.models.size(),
                       bar_text(share_of(m.ended(), m.units), 20), m.ended(), m.units);
    if (s.models.size() > 1) line += fmt::format("  all {:.0f}%", 100 * share_of(total.ended(), total.units));
  } else {
    line = fmt::format("{}/{} units", total.ended(), total.units);
  }
  line += "  " + rate_text(s.cells_per_second);
  if (s.stopping)
    line += fmt::format("  stopping: waiting for {} units", total.in_flight);
  else if (s.stage)
    line += "  " + (s.seconds_left ? duration_text(*s.seconds_left) : std::string("?")) + " left";
  line += trouble_text(total);
  if (width > 0 && line.size() > index(width)) line.resize(index(width));
  return line;
}

std::string plain_line(const Snapshot& s, std::span<const std::string> names) {
  const ModelProgress total = s.total();
  std::string line =
      fmt::format("{}/{} units, {:.0f}/{:.0f} cells, {}, running {}", total.ended(), total.units, total.cells_done,
                  total.cells, rate_text(s.cells_per_second), duration_text(s.seconds));
  if (s.stage) line += fmt::format(", {} left", s.seconds_left ? duration_text(*s.seconds_left) : "unknown time");
  for (std::size_t m = 0; m < s.models.size(); ++m)
    line += fmt::format("{} {} {}/{}", m == 0 ? ":" : ",", name_of_model(names, static_cast<int>(m)),
                        s.models[m].ended(), s.models[m].units);
  return line + trouble_text(total);
}

}  // namespace steergrid
