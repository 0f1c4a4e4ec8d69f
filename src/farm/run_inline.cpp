#include "farm/run_inline.h"

#include <map>
#include <utility>

#include "base/clock.h"
#include "farm/plan_facts.h"
#include "farm/run_unit.h"

namespace steergrid {
namespace {

class InlineRun {
 public:
  InlineRun(const Plan& plan, std::span<const UnitRecord> records, const CoordinatorCalls& coordinator,
            const WorkerCalls& worker)
      : plan_(plan), worker_(worker), desk_(plan, records, coordinator) {}

  Ending run() {
    for (;;) {
      desk_.tidy(1);
      if (desk_.at_rest()) break;
      move_to(*desk_.stage());
      if (desk_.at_rest()) break;
      if (const auto order = desk_.next()) run_unit(*order);
    }
    close_model();
    return desk_.close(1);
  }

 private:
  /// Calls a step of the worker's side; whether it went well. If not, the run is broken off.
  bool guarded(const std::function<void()>& step) try {
    step();
    return true;
  } catch (const Error& e) {
    desk_.break_off({e.code(), e.what()});
    return false;
  } catch (const std::exception& e) {
    desk_.break_off({ExitCode::Failed, e.what()});
    return false;
  }

  void move_to(int model) {
    if (open_ == model) return;
    close_model();
    if (guarded([&] { worker_.open_model(model, team_); })) open_ = model;
  }

  void close_model() {
    if (open_) guarded([&] { worker_.close_model(*open_); });
    open_.reset();
    payloads_.clear();
  }

  void run_unit(const Order& order) {
    std::span<const std::byte> payload;
    if (const auto key = payload_key(plan_, order)) {
      if (!fetch(*key)) return desk_.release(order.unit);
      payload = payloads_.at(*key);
    }
    Finished result;
    result.unit = order.unit;
    result.mode = order.mode;
    result.attempt = order.attempt;
    result.started = wall_ns();
    Attempt attempt;
    const bool went_well = guarded([&] {
      attempt = attempt_unit(worker_, order, payload, team_);
      if (!attempt.failure && attempt.answer.write_first) attempt.answer.write_first();
    });
    if (!went_well) return desk_.release(order.unit);
    if (attempt.failure) return desk_.refuse(order.unit, *attempt.failure);
    result.crc = attempt.answer.crc;
    result.flags = attempt.answer.flags;
    result.bytes = std::move(attempt.answer.bytes);
    result.finished = wall_ns();
    desk_.accept(result);
  }

  bool fetch(int key) {
    if (payloads_.contains(key)) return true;
    auto bytes = desk_.payload(key);
    if (bytes) payloads_[key] = std::move(*bytes);
    return bytes.has_value();
  }

  const Plan& plan_;
  const WorkerCalls& worker_;
  Desk desk_;
  SoloTeam team_;
  std::optional<int> open_;
  std::map<int, std::vector<std::byte>> payloads_;  // by Vectors unit, for the open model
};

}  // namespace

Ending run_inline(const Plan& plan, std::span<const UnitRecord> records, const CoordinatorCalls& coordinator,
                  const WorkerCalls& worker) {
  return InlineRun(plan, records, coordinator, worker).run();
}

}  // namespace steergrid
