// steergrid status: how far a sweep is, while it runs and after, from its result file; and what Slurm says of the job
// that was submitted for it, the file there or not.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "app/commands.h"
#include "app/untrusted_result.h"
#include "base/clock.h"
#include "base/printable.h"
#include "batch/slurm.h"
#include "farm/progress.h"
#include "spec/problems.h"
#include "spec/sweep_spec.h"
#include "store/status.h"

namespace steergrid {
namespace {

using store::Status;

int ended(const store::StateCounts& c) { return c.done + c.failed + c.blocked; }

nlohmann::json json_of(const store::StateCounts& c) {
  return {{"total", c.total},
          {"ended", ended(c)},
          {"done", c.done},
          {"failed", c.failed},
          {"blocked", c.blocked},
          {"suspect", c.suspect},
          {"not_finite", c.not_finite},
          {"baseline_only", c.baseline_only},
          {"mixed_identity", c.mixed},
          {"reused", c.reused}};
}

nlohmann::json json_of(const Status& s) {
  nlohmann::json models = nlohmann::json::array(), failures = nlohmann::json::array();
  for (const auto& m : s.models)
    models.push_back({{"name", m.name},
                      {"path", m.path},
                      {"synthetic", m.synthetic},
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
                   {"cells", std::round(s.cells)},  // a sum of units' shares
                   {"cells_done", s.cells_done},
                   {"cells_per_second", s.running ? nlohmann::json(s.cells_per_second) : nlohmann::json()},
                   {"finished", s.finished()},
                   {"launches", s.launches},
                   {"under_way", s.under_way},
                   {"retries", s.retries},
                   {"worker_hours", s.worker_seconds / 3600},
                   {"seconds_at_work", s.seconds_at_work},
                   {"on_gpus", s.on_gpus},
                   {"models", models},
                   {"failures", failures}};
  j["seconds_left"] = s.seconds_left ? nlohmann::json(*s.seconds_left) : nlohmann::json();
  j["running"] = s.running ? nlohmann::json(s.running->text()) : nlohmann::json();
  return j;
}

std::string what_now(const Status& s) {
  if (s.running) return "running: " + printable(s.running->text());
  if (ended(s.total) != s.total.total) return "not running: the same command resumes it";
  if (s.finished()) return "finished";
  return "ended, but not everything is there: `run --retry-failed` tries again";
}

/// What comes from the file is printable, for nobody vouches for the file.
void print(const Status& s) {
  fmt::print("{} (created {}): {}\n", printable(s.name), printable(s.created), what_now(s));
  fmt::print("units  {} of {} done", s.total.done, s.total.total);
  if (s.total.failed > 0) fmt::print(", {} failed", s.total.failed);
  if (s.total.blocked > 0) fmt::print(", {} blocked", s.total.blocked);
  if (s.under_way > 0) fmt::print(", {} under way", s.under_way);
  if (s.interrupted() > 0) fmt::print(", {} interrupted", s.interrupted());
  if (s.total.not_finite > 0) fmt::print(", {} with values that are not finite", s.total.not_finite);
  if (s.total.baseline_only > 0) fmt::print(", {} with baselines only", s.total.baseline_only);
  if (s.total.reused > 0) fmt::print(", {} reused from another file", s.total.reused);
  if (s.total.mixed > 0) fmt::print(", {} under another identity", s.total.mixed);
  if (s.retries > 0) fmt::print(", {} retried", s.retries);
  fmt::print("; {} launch(es), {:.3f} {}-hours\n", s.launches, s.worker_seconds / 3600, s.on_gpus ? "GPU" : "worker");
  fmt::print("cells  {:.0f} of {:.0f}", s.cells_done, s.cells);
  if (s.running) fmt::print(", {:.1f} cells/s", s.cells_per_second);
  if (s.running && s.seconds_left) fmt::print(", {} left", duration_text(*s.seconds_left));
  fmt::print("\n");
  for (const auto& m : s.models)
    fmt::print("  {:24} extract {}/{}  vectors {}/{}  evaluate {}/{}  cells {:.0f}/{:.0f}\n", printable(m.name),
               m.extract.done, m.extract.total, m.vectors.done, m.vectors.total, m.evaluate.done, m.evaluate.total,
               m.cells_done, m.cells);
  for (const auto& m : s.models)
    if (m.synthetic)
      fmt::print("  {}: weights made up ({}): its answers mean nothing\n", printable(m.name), printable(m.path));
  for (const auto& f : s.failures)
    fmt::print("  unit {} ({} of {} on {}, items {}-{}) {} after {} attempt(s): {}\n", f.unit, name_of(f.kind),
               printable(f.target), printable(f.model), f.first, f.first + f.count - 1,
               f.state == store::UnitState::Failed ? "failed" : "blocked", f.attempts, printable(f.sentence));
}

/// The job that was submitted for an output, and what Slurm says of it now.
struct SubmittedJob {
  std::string id;
  std::optional<JobState> state;  // nullopt: Slurm cannot be asked, or has forgotten it
};

std::optional<SubmittedJob> submitted_job(const std::string& output) {
  const auto id = read_job_file(output);
  if (!id) return std::nullopt;
  return SubmittedJob{*id, job_state(*id)};
}

nlohmann::json json_of(const std::optional<SubmittedJob>& job) {
  if (!job) return {};
  nlohmann::json j{{"id", job->id}, {"state", nullptr}};
  if (job->state)
    j.update({{"state", job->state->state}, {"reason", job->state->reason}, {"start", job->state->start}});
  return j;
}

void print(const SubmittedJob& job) {
  fmt::print("job    {}", job.id);
  if (!job.state) {
    fmt::print(": Slurm does not know it (any more), or is not here to ask\n");
    return;
  }
  fmt::print(" {}", job.state->state);
  if (!job.state->reason.empty()) fmt::print(" ({})", job.state->reason);
  if (!job.state->start.empty()) fmt::print(", expected to start {}", job.state->start);
  fmt::print("\n");
}

/// The value at "a.b.c", for scripts; a number is a place in a list.
void print_value(const nlohmann::json& all, const std::string& path) {
  nlohmann::json value = all;
  std::istringstream keys(path);
  for (std::string key; std::getline(keys, key, '.');) {
    std::vector<std::string> known;
    if (value.is_structured())
      for (const auto& [name, ignored] : value.items()) known.push_back(name);
    if (std::find(known.begin(), known.end(), key) == known.end())
      bad_input("--get {}: expected keys of `status --json`, found {}; the keys there are {}{}", path, in_quotes(key),
                known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")), suggestion(key, known));
    nlohmann::json inner = value.is_array() ? value[std::stoul(key)] : value[key];
    value = std::move(inner);
  }
  std::cout << (value.is_string() ? value.get<std::string>()
                                  : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
            << '\n';
}

struct StatusOptions {
  std::string file, value;
  bool json = false;
};

/// A spec stands for its output: whoever has just run it knows its name.
std::string result_file(const std::string& file) {
  const std::string extension = std::filesystem::path(file).extension().string();
  if (extension != ".yaml" && extension != ".yml") return file;
  const auto output = output_of(file);
  if (!output) bad_input("{}: expected a result file, or a spec that names one as its output", file);
  return *output;
}

/// Slurm takes its time to answer: not for a value that is none of the job's.
bool asks_for_job(const std::string& value) { return value.empty() || value == "job" || value.starts_with("job."); }

void show_status(StatusOptions options) {
  options.file = result_file(options.file);
  std::error_code error;  // what cannot be looked at is the reader's to say
  const bool there = std::filesystem::exists(options.file, error) || error;
  const auto job = asks_for_job(options.value) ? submitted_job(options.file) : std::nullopt;
  if (!there && job) {  // waiting, or starting: no result file yet
    const nlohmann::json all{{"job", json_of(job)}};
    if (!options.value.empty())
      print_value(all, options.value);
    else if (options.json)
      std::cout << all.dump(1) << '\n';
    else
      print(*job);
    return;
  }
  try_in_a_child(untrusted_result(options.file), [&] { store::read_status(options.file, wall_ns()); });
  const Status status = store::read_status(options.file, wall_ns());
  nlohmann::json all = json_of(status);
  all["job"] = json_of(job);
  if (!options.value.empty())
    print_value(all, options.value);
  else if (options.json)
    std::cout << all.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else {
    print(status);
    if (job && !status.finished()) print(*job);
  }
}

}  // namespace

void add_status(CLI::App& app, ExitCode&, const Invocation&) {
  const auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand("status", "Units done, failed, cells/s and time left of a result file");
  command->add_option("results", options->file, "The result file, or the spec that names it")->required();
  command->add_flag("--json", options->json, "As JSON");
  command->add_option("--get", options->value, "Only this value of the JSON form, as units.done");
  command->callback([options] { show_status(*options); });
}

}  // namespace steergrid
