// steergrid status: how far a sweep is, while it runs and after, from its result file alone.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iostream>

#include "app/commands.h"
#include "base/clock.h"
#include "farm/progress.h"
#include "store/status.h"

namespace steergrid {
namespace {

using store::Status;

int ended(const store::StateCounts& c) { return c.done + c.failed + c.blocked; }

nlohmann::json json_of(const store::StateCounts& c) {
  return {{"total", c.total},
          {"done", c.done},
          {"failed", c.failed},
          {"blocked", c.blocked},
          {"suspect", c.suspect},
          {"not_finite", c.not_finite},
          {"baseline_only", c.baseline_only},
          {"mixed_identity", c.mixed}};
}

nlohmann::json json_of(const Status& s) {
  nlohmann::json models = nlohmann::json::array(), failures = nlohmann::json::array();
  for (const auto& m : s.models)
    models.push_back({{"name", m.name},
                      {"extract", json_of(m.extract)},
                      {"vectors", json_of(m.vectors)},
                      {"evaluate", json_of(m.evaluate)},
                      {"cells", m.cells},
                      {"cells_done", m.cells_done}});
  for (const auto& f : s.failures)
    failures.push_back({{"unit", f.unit},
                        {"state", f.state == store::UnitState::Failed ? "failed" : "blocked"},
                        {"kind", name_of(f.kind)},
                        {"model", f.model},
                        {"target", f.target},
                        {"first", f.first},
                        {"count", f.count},
                        {"attempts", f.attempts},
                        {"sentence", f.sentence}});
  nlohmann::json j{{"name", s.name},
                   {"created", s.created},
                   {"fingerprint", s.fingerprint},
                   {"units", json_of(s.total)},
                   {"cells", s.cells},
                   {"cells_done", s.cells_done},
                   {"cells_per_second", s.cells_per_second},
                   {"launches", s.launches},
                   {"models", models},
                   {"failures", failures}};
  j["seconds_left"] = s.seconds_left ? nlohmann::json(*s.seconds_left) : nlohmann::json();
  j["running"] = s.running ? nlohmann::json(s.running->text()) : nlohmann::json();
  return j;
}

std::string what_now(const Status& s) {
  if (s.running) return "running: " + s.running->text();
  if (ended(s.total) != s.total.total) return "not running: the same command resumes it";
  if (s.total.done == s.total.total && s.total.baseline_only == 0) return "finished";
  return "ended, but not everything is there: `run --retry-failed` tries again";
}

void print(const Status& s) {
  fmt::print("{} (created {}): {}\n", s.name, s.created, what_now(s));
  fmt::print("units  {} of {} done", s.total.done, s.total.total);
  if (s.total.failed > 0) fmt::print(", {} failed", s.total.failed);
  if (s.total.blocked > 0) fmt::print(", {} blocked", s.total.blocked);
  if (s.total.suspect > 0) fmt::print(", {} interrupted", s.total.suspect);
  if (s.total.not_finite > 0) fmt::print(", {} with values that are not finite", s.total.not_finite);
  if (s.total.baseline_only > 0) fmt::print(", {} with baselines only", s.total.baseline_only);
  if (s.total.mixed > 0) fmt::print(", {} under another identity", s.total.mixed);
  fmt::print("; {} launch(es)\n", s.launches);
  fmt::print("cells  {:.0f} of {:.0f}", s.cells_done, s.cells);
  if (s.running) fmt::print(", {:.1f} cells/s", s.cells_per_second);
  if (s.running && s.seconds_left) fmt::print(", {} left", duration_text(*s.seconds_left));
  fmt::print("\n");
  for (const auto& m : s.models)
    fmt::print("  {:24} extract {}/{}  vectors {}/{}  evaluate {}/{}  cells {:.0f}/{:.0f}\n", m.name, m.extract.done,
               m.extract.total, m.vectors.done, m.vectors.total, m.evaluate.done, m.evaluate.total, m.cells_done,
               m.cells);
  for (const auto& f : s.failures)
    fmt::print("  unit {} ({} of {} on {}, items {}-{}) {} after {} attempt(s): {}\n", f.unit, name_of(f.kind),
               f.target, f.model, f.first, f.first + f.count - 1,
               f.state == store::UnitState::Failed ? "failed" : "blocked", f.attempts, f.sentence);
}

}  // namespace

void add_status(CLI::App& app, ExitCode&, const Invocation&) {
  struct Options {
    std::string file;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("status", "Units done, failed, cells/s and time left of a result file");
  command->add_option("results", options->file, "The result file")->required();
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options] {
    const Status status = store::read_status(options->file, wall_ns());
    if (options->json)
      std::cout << json_of(status).dump(1) << '\n';
    else
      print(status);
  });
}

}  // namespace steergrid
