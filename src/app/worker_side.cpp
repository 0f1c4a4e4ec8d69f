#include "app/worker_side.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"

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

}  // namespace

WorkerSide::WorkerSide(const Prepared& prepared, store::ResultFile* file, PassOptions options, MakeBackend make_backend)
    : prepared_(prepared), file_(file), options_(options), make_backend_(std::move(make_backend)) {}

WorkerCalls WorkerSide::calls() {
  return {.open_model = [this](int model, Team& team) { open(model, team); },
          .close_model = [this](int) { model_.reset(); },
          .run = [this](const Order& order, std::span<const std::byte> payload,
                        Team& team) { return run(order, payload, team); }};
}

void WorkerSide::open(int model, Team& team) {
  const ModelPlan& plan = prepared_.plan.models[static_cast<std::size_t>(model)];
  const ModelSpec& spec = prepared_.spec.models[static_cast<std::size_t>(plan.model)];
  const double start = monotonic_seconds();
  model_.emplace(load_model(spec, plan.facts, make_backend_(plan.facts.dtype), team));
  if (team.rank() == 0) spdlog::debug("loaded {} in {:.2f} s", spec.name, monotonic_seconds() - start);
}

Answer WorkerSide::run(const Order& order, std::span<const std::byte> payload, Team&) {
  const Unit& unit = prepared_.plan.units[static_cast<std::size_t>(order.unit)];
  return unit.kind == UnitKind::Extract ? run_extract(unit, order) : run_evaluate(unit, order, payload);
}

Answer WorkerSide::run_extract(const Unit& unit, const Order& order) {
  const ModelPlan& plan = prepared_.plan.models[static_cast<std::size_t>(unit.model)];
  const int source = plan.vectors[static_cast<std::size_t>(unit.target)].source;
  const DataSet& pairs = prepared_.spec.vectors[static_cast<std::size_t>(source)].pairs;
  const bool keep = prepared_.spec.activations != ActivationStore::None;
  const auto result = std::make_shared<ExtractResult>(extract(*model_, items_of(pairs, unit), keep, options_));
  Answer answer;
  if (!all_finite(result->sums) || !all_finite(result->norm_sums)) answer.flags |= store::kFlagNotFinite;
  store::BlockRows rows = rows_of(*result);
  answer.crc = store::checksum_of(rows);
  if (keep && file_ != nullptr && file_->leaders_write()) {
    answer.write_first = [this, result, id = order.unit] {
      file_->write_activations(id, result->activations);
      file_->sync();
    };
    rows.activations = {};
  }
  answer.bytes = store::encode(rows);
  return answer;
}

Answer WorkerSide::run_evaluate(const Unit& unit, const Order& order, std::span<const std::byte> payload) {
  const ModelPlan& plan = prepared_.plan.models[static_cast<std::size_t>(unit.model)];
  const RunPlan& run = plan.runs[static_cast<std::size_t>(unit.target)];
  const RunSpec& spec = prepared_.spec.runs[static_cast<std::size_t>(run.run)];
  const auto hidden = static_cast<std::size_t>(plan.facts.shape.hidden);
  std::optional<AddedVectors> added;
  if (order.mode == RunMode::Whole) {
    const SteeringVectors vectors =
        decode_vectors(payload, static_cast<std::size_t>(plan.facts.shape.n_layers), hidden);
    added = added_vectors(vectors, hidden, run.layers, run.coefficients.unit == CoefficientUnit::ResidualNorm);
  }
  const CellGrid grid{run.layers, run.coefficients.values, run.letters, spec.positions};
  const auto result = std::make_shared<EvaluateResult>(
      evaluate(*model_, items_of(spec.questions, unit), grid, added ? &*added : nullptr, options_));
  Answer answer;
  if (!added) answer.flags |= store::kFlagBaselineOnly;
  if (!all_finite(result->baseline_logprob) || (added && !all_finite(result->letter_logprob)))
    answer.flags |= store::kFlagNotFinite;
  const store::EvaluationRows rows = rows_of(*result);
  answer.crc = store::checksum_of(rows);
  if (file_ != nullptr && file_->leaders_write()) {
    answer.write_first = [this, result, id = order.unit] {
      file_->write_evaluation(id, rows_of(*result));
      file_->sync();
    };
  } else {
    answer.bytes = store::encode(rows);
  }
  return answer;
}

}  // namespace steergrid
