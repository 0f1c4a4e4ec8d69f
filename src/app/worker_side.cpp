#include "app/worker_side.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>

#include "app/memory_options.h"
#include "app/residing.h"
#include "base/clock.h"
#include "plan/print.h"

namespace steergrid {
namespace {

bool all_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double x) { return std::isfinite(x); });
}

store::BlockRows rows_of(const ExtractResult& r) { return {r.sums, r.norm_sums, r.activations}; }

store::EvaluationRows rows_of(const EvaluateResult& r) {
  return {r.letter_logprob,   r.top_token,          r.top_logprob,
          r.baseline_logprob, r.baseline_top_token, r.baseline_top_logprob};
}

std::span<const AbItem> items_of(const DataSet& set, const Unit& unit) {
  return std::span(set.items).subspan(static_cast<std::size_t>(unit.first), static_cast<std::size_t>(unit.count));
}

std::vector<Residing> residing_of_all(const Residing& mine, Team& team) {
  const std::vector<std::byte> bytes = team.gather_host(std::as_bytes(std::span(&mine, 1)));
  std::vector<Residing> all(bytes.size() / sizeof(Residing));
  std::memcpy(all.data(), bytes.data(), bytes.size());
  return all;
}

}  // namespace

WorkerSide::WorkerSide(const Prepared& prepared, store::ResultFile* file, const WorkOptions& options,
                       MakeBackend make_backend)
    : prepared_(prepared), file_(file), options_(options), make_backend_(std::move(make_backend)) {}

WorkerCalls WorkerSide::calls() {
  return {.open_model = [this](int model, Team& team) { open(model, team); },
          .close_model = [this](int model) { close(model); },
          .run =
              [this](const Order& order, std::span<const std::byte> payload, Team&) {
                return std::move(run(std::vector<Task>{{order, payload}}).front());
              },
          .at_once = [this] { return at_once_; },
          .run_together = [this](std::span<const Task> tasks, Team&) { return run(tasks); }};
}

void WorkerSide::open(int model, Team& team) {
  const ModelPlan& plan = plan_of(model);
  const ModelSpec& spec = prepared_.spec.models[static_cast<std::size_t>(plan.model)];
  const double start = monotonic_seconds();
  const bool streamed = settle_memory(plan.facts, spec, team);
  model_.emplace(load_model(spec, plan.facts, make_backend_(plan.facts.dtype), team,
                            streamed ? Residence::Streamed : Residence::Resident));
  at_once_ = streamed && !options_.naive ? units_in(model, pass_.rows) : 1;
  if (team.rank() == 0)
    spdlog::info("{}: weights {}, {} rows in a pass, {} units at once; opened in {:.2f} s", spec.name,
                 streamed ? "streamed" : "resident", pass_.rows, at_once_, monotonic_seconds() - start);
}

/// Decides with the team whether weights stream, and how many rows a pass has. Throws nothing that mates do not.
bool WorkerSide::settle_memory(const ModelFacts& facts, const ModelSpec& spec, Team& team) {
  const Room room{memory_options(options_.on_gpu, options_.rows > 0 ? options_.rows : kRowsInFlight), options_.rows,
                  options_.memory};
  const Residing all = most_careful(residing_of_all(residing_of(facts, spec.weights, room), team));
  const Fit fit = fit_in(facts, all.streamed != 0 ? WeightsIn::Stream : WeightsIn::Memory, room);
  if (!fit.fits)
    spdlog::warn("{}: needs {} of memory a worker, {} are there: trying all the same", spec.name,
                 human_bytes(fit.memory.total()), human_bytes(options_.memory));
  pass_ = {all.rows().in_pass, options_.naive, all.rows().in_chunk};
  return all.streamed != 0;
}

/// How many units of the open model `rows` rows hold, of whichever kind has the smaller ones; at least 1.
int WorkerSide::units_in(int model, std::int64_t rows) const {
  std::array<std::int64_t, 2> largest{};  // of an Extract, of an Evaluate unit
  std::int64_t all = 0;
  for (const Unit& unit : prepared_.plan.units) {
    if (unit.model != model || unit.kind == UnitKind::Vectors) continue;
    ++all;
    const bool extracts = unit.kind == UnitKind::Extract;
    const std::int64_t needs =
        extracts ? rows_of(*model_, extract_task(unit)) : rows_of(*model_, evaluate_task(unit, nullptr));
    largest[extracts ? 0 : 1] = std::max(largest[extracts ? 0 : 1], needs);
  }
  std::int64_t units = 1;
  for (const std::int64_t needs : largest)
    if (needs > 0) units = std::max(units, rows / needs);
  return static_cast<int>(std::clamp<std::int64_t>(all, 1, units));
}

/// Says what streaming cost: the figures that tell whether it was hidden behind the computation.
void WorkerSide::close(int model) {
  const ModelPlan& plan = plan_of(model);
  const LayerTraffic traffic = model_->llama->traffic();
  if (traffic.layers_loaded > 0)
    spdlog::info("{}: streamed {} blocks, {:.2f} times the model's {}; read {:.3f} GB, waited {:.2f} s for them",
                 prepared_.spec.models[static_cast<std::size_t>(plan.model)].name, traffic.layers_loaded,
                 static_cast<double>(traffic.layers_loaded) / plan.facts.shape.n_layers, plan.facts.shape.n_layers,
                 static_cast<double>(traffic.bytes_read) * 1e-9, traffic.seconds_waited);
  model_.reset();
}

std::vector<Answer> WorkerSide::run(std::span<const Task> tasks) {
  std::vector<Answer> answers(tasks.size());
  extract_all(tasks, answers);
  evaluate_all(tasks, answers);
  return answers;
}

void WorkerSide::extract_all(std::span<const Task> tasks, std::vector<Answer>& answers) {
  std::vector<std::size_t> which;
  std::vector<ExtractTask> work;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (unit_of(tasks[i]).kind != UnitKind::Extract) continue;
    which.push_back(i);
    work.push_back(extract_task(unit_of(tasks[i])));
  }
  if (work.empty()) return;
  std::vector<ExtractResult> results = extract(*model_, work, pass_);
  for (std::size_t w = 0; w < which.size(); ++w)
    answers[which[w]] = answer_of(tasks[which[w]].order.unit, std::move(results[w]));
}

void WorkerSide::evaluate_all(std::span<const Task> tasks, std::vector<Answer>& answers) {
  std::vector<std::size_t> which;
  std::vector<EvaluateTask> work;
  std::map<int, AddedVectors> added;  // by run: its units add the same
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const Unit& unit = unit_of(tasks[i]);
    if (unit.kind != UnitKind::Evaluate) continue;
    const bool steered = tasks[i].order.mode == RunMode::Whole;
    if (steered && !added.contains(unit.target)) added[unit.target] = vectors_for(unit, tasks[i].payload);
    which.push_back(i);
    work.push_back(evaluate_task(unit, steered ? &added.at(unit.target) : nullptr));
  }
  if (work.empty()) return;
  std::vector<EvaluateResult> results = evaluate(*model_, work, pass_);
  for (std::size_t w = 0; w < which.size(); ++w)
    answers[which[w]] = answer_of(tasks[which[w]].order.unit, std::move(results[w]), work[w].added != nullptr);
}

ExtractTask WorkerSide::extract_task(const Unit& unit) const {
  const int source = plan_of(unit.model).vectors[static_cast<std::size_t>(unit.target)].source;
  const DataSet& pairs = prepared_.spec.vectors[static_cast<std::size_t>(source)].pairs;
  return {items_of(pairs, unit), prepared_.spec.activations != ActivationStore::None};
}

EvaluateTask WorkerSide::evaluate_task(const Unit& unit, const AddedVectors* added) const {
  const RunPlan& run = plan_of(unit.model).runs[static_cast<std::size_t>(unit.target)];
  const RunSpec& spec = prepared_.spec.runs[static_cast<std::size_t>(run.run)];
  return {items_of(spec.questions, unit), {run.layers, run.coefficients.values, run.letters, spec.positions}, added};
}

AddedVectors WorkerSide::vectors_for(const Unit& unit, std::span<const std::byte> payload) const {
  const ModelPlan& plan = plan_of(unit.model);
  const RunPlan& run = plan.runs[static_cast<std::size_t>(unit.target)];
  const auto hidden = static_cast<std::size_t>(plan.facts.shape.hidden);
  const SteeringVectors vectors = decode_vectors(payload, static_cast<std::size_t>(plan.facts.shape.n_layers), hidden);
  return added_vectors(vectors, hidden, run.layers, run.coefficients.unit == CoefficientUnit::ResidualNorm);
}

Answer WorkerSide::answer_of(int unit, ExtractResult given) const {
  const auto result = std::make_shared<ExtractResult>(std::move(given));
  Answer answer;
  if (!all_finite(result->sums) || !all_finite(result->norm_sums)) answer.flags |= store::kFlagNotFinite;
  store::BlockRows rows = rows_of(*result);
  answer.crc = store::checksum_of(rows);
  if (!result->activations.empty() && file_ != nullptr && file_->leaders_write()) {
    answer.write_first = [this, result, unit] { file_->write_activations(unit, result->activations); };
    answer.make_durable = [this] { file_->sync(); };
    rows.activations = {};
  }
  answer.bytes = store::encode(rows);
  return answer;
}

Answer WorkerSide::answer_of(int unit, EvaluateResult given, bool steered) const {
  const auto result = std::make_shared<EvaluateResult>(std::move(given));
  Answer answer;
  if (!steered) answer.flags |= store::kFlagBaselineOnly;
  if (!all_finite(result->baseline_logprob) || (steered && !all_finite(result->letter_logprob)))
    answer.flags |= store::kFlagNotFinite;
  const store::EvaluationRows rows = rows_of(*result);
  answer.crc = store::checksum_of(rows);
  if (file_ != nullptr && file_->leaders_write()) {
    answer.write_first = [this, result, unit] { file_->write_evaluation(unit, rows_of(*result)); };
    answer.make_durable = [this] { file_->sync(); };
  } else {
    answer.bytes = store::encode(rows);
  }
  return answer;
}

}  // namespace steergrid
