#include "farm/unit_queue.h"

#include <utility>

#include "base/error.h"

namespace steergrid {
namespace {

bool has_ended(UnitState s) { return s == UnitState::Done || s == UnitState::Failed || s == UnitState::Blocked; }

}  // namespace

UnitQueue::UnitQueue(const Plan& plan, std::span<const UnitRecord> records)
    : plan_(plan), nodes_(plan.units.size()), stages_(plan.models.size()) {
  if (!records.empty() && records.size() != nodes_.size())
    failed("the result file has records of {} units, the plan has {} units", records.size(), nodes_.size());
  for (const ModelPlan& model : plan.models) link(model);
  const int n = static_cast<int>(nodes_.size());
  for (int u = 0; u < n; ++u) recall(u, records.empty() ? UnitRecord{} : records[static_cast<std::size_t>(u)]);
  std::vector<int> ended;
  for (int u = 0; u < n; ++u)
    if (has_ended(state(u))) ended.push_back(u);
  for (const int u : ended) tell_dependants(u);
  for (int u = 0; u < n; ++u) get_ready(u);
}

void UnitQueue::link(const ModelPlan& model) {
  for (std::size_t v = 0; v < model.vectors.size(); ++v) {
    std::set<int> sources(model.normalize_over.begin(), model.normalize_over.end());
    sources.insert(static_cast<int>(v));
    for (const int source : sources)
      for (const int block : model.vectors[static_cast<std::size_t>(source)].blocks)
        depend(model.vectors[v].unit, block);
  }
  for (const RunPlan& run : model.runs)
    for (const int block : run.blocks) depend(block, model.vectors[static_cast<std::size_t>(run.vectors)].unit);
}

void UnitQueue::depend(int unit, int on) {
  ++node(unit).waits_for;
  node(on).dependants.push_back(unit);
}

void UnitQueue::recall(int unit, const UnitRecord& record) {
  Node& n = node(unit);
  n.attempt = record.attempt;
  switch (record.state) {
    case UnitRecord::State::Done: n.state = UnitState::Done; return;
    case UnitRecord::State::Failed: n.state = UnitState::Failed; return;
    case UnitRecord::State::Blocked: n.state = UnitState::Blocked; return;
    case UnitRecord::State::Absent: break;
  }
  n.suspect = n.attempt > 0 && kind(unit) != UnitKind::Vectors;
  if (n.attempt > 0 && !record.counts) --n.attempt;
  if (n.suspect && n.attempt >= kAttempts) {
    n.state = UnitState::Failed;
    verdicts_.push_back({unit, UnitState::Failed, -1});
    return;
  }
  ++stage_of(unit).open;
}

/// Puts a waiting unit where it can be handed out, if everything it needs has ended.
void UnitQueue::get_ready(int unit) {
  Node& n = node(unit);
  if (n.state != UnitState::Waiting || n.waits_for > 0) return;
  const bool spoiled = n.spoiled_by >= 0;
  if (spoiled && kind(unit) == UnitKind::Vectors) {
    verdicts_.push_back({unit, UnitState::Blocked, n.spoiled_by});
    end(unit, UnitState::Blocked);
    return;
  }
  n.state = UnitState::Ready;
  n.mode = spoiled ? RunMode::BaselineOnly : RunMode::Whole;
  Stage& stage = stage_of(unit);
  if (kind(unit) == UnitKind::Vectors)
    stage.ready_vectors.insert(unit);
  else
    (n.suspect ? stage.suspects : stage.ready).insert(unit);
}

std::optional<int> UnitQueue::stage() const {
  for (std::size_t m = 0; m < stages_.size(); ++m)
    if (stages_[m].open > 0) return static_cast<int>(m);
  return std::nullopt;
}

int UnitQueue::ready() const {
  const auto at = stage();
  return at ? static_cast<int>(stages_[static_cast<std::size_t>(*at)].ready.size()) : 0;
}

std::optional<Order> UnitQueue::on_request() {
  const auto at = stage();
  if (!at || stopping_ || alone_) return std::nullopt;
  Stage& stage = stages_[static_cast<std::size_t>(*at)];
  if (!stage.ready.empty()) return hand_out(stage.ready);
  if (stage.suspects.empty() || !stage.ready_vectors.empty() || in_flight_ > 0) return std::nullopt;
  alone_ = true;
  return hand_out(stage.suspects);
}

std::optional<Order> UnitQueue::next_vectors() {
  const auto at = stage();
  if (!at || stopping_ || stages_[static_cast<std::size_t>(*at)].ready_vectors.empty()) return std::nullopt;
  return hand_out(stages_[static_cast<std::size_t>(*at)].ready_vectors);
}

Order UnitQueue::hand_out(std::set<int>& from) {
  const int unit = *from.begin();
  from.erase(from.begin());
  Node& n = node(unit);
  n.state = UnitState::InFlight;
  ++n.attempt;
  ++in_flight_;
  return {unit, n.mode, n.attempt};
}

/// Ends the flight of a unit; the caller says what it is now.
UnitQueue::Node& UnitQueue::take_back(int unit) {
  if (unit < 0 || unit >= static_cast<int>(nodes_.size()) || state(unit) != UnitState::InFlight)
    failed("unit {} came back, but it was not handed out", unit);
  Node& n = node(unit);
  --in_flight_;
  if (n.suspect) alone_ = false;
  n.state = UnitState::Waiting;
  return n;
}

void UnitQueue::on_done(int unit) {
  take_back(unit);
  end(unit, UnitState::Done);
}

void UnitQueue::on_failed(int unit) {
  take_back(unit);
  end(unit, UnitState::Failed);
}

std::uint32_t UnitQueue::on_released(int unit) {
  Node& n = take_back(unit);
  --n.attempt;
  get_ready(unit);
  return n.attempt;
}

void UnitQueue::on_lost(int unit) {
  Node& n = take_back(unit);
  n.suspect = true;
  if (n.attempt < kAttempts) return get_ready(unit);
  verdicts_.push_back({unit, UnitState::Failed, -1});
  end(unit, UnitState::Failed);
}

void UnitQueue::end(int unit, UnitState state) {
  node(unit).state = state;
  --stage_of(unit).open;
  tell_dependants(unit);
}

void UnitQueue::tell_dependants(int unit) {
  for (const int d : node(unit).dependants) {
    Node& dependant = node(d);
    --dependant.waits_for;
    if (state(unit) != UnitState::Done && dependant.spoiled_by < 0) dependant.spoiled_by = unit;
    get_ready(d);
  }
}

std::vector<Verdict> UnitQueue::take_verdicts() { return std::exchange(verdicts_, {}); }

UnitQueue::Stage& UnitQueue::stage_of(int unit) {
  return stages_[static_cast<std::size_t>(plan_.units[static_cast<std::size_t>(unit)].model)];
}

}  // namespace steergrid
