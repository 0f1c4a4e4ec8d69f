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
      run_next();
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

  void run_next() {
    const int most = worker_.at_once && worker_.run_together ? worker_.at_once() : 1;
    std::vector<Order> orders;
    do {
      const auto order = desk_.next();
      if (!order) break;
      orders.push_back(*order);
    } while (static_cast<int>(orders.size()) < most);
    if (orders.size() > 1 && run_together(orders)) return;
    for (const Order& order : orders) run_unit(order);
  }

  /// Whether the units ended, one way or another; if not, each must show by itself whether it is to blame.
  bool run_together(const std::vector<Order>& orders) {
    const std::int64_t started = wall_ns();
    std::vector<Answer> answers;
    std::optional<std::string> failure;
    const bool went_well = guarded([&] {
      std::vector<Task> tasks;
      for (const Order& order : orders) {
        const auto payload = payload_of(order);
        if (!payload) failed("unit {} has no vectors to add", order.unit);  // the desk knows why
        tasks.push_back({order, *payload});
      }
      failure = attempt_together(worker_, tasks, team_, answers);
    });
    if (failure) return false;
    // Units that were run together share their time.
    const std::int64_t each = (wall_ns() - started) / static_cast<std::int64_t>(orders.size());
    for (std::size_t i = 0; i < orders.size(); ++i) {
      if (!went_well) {
        desk_.release(orders[i].unit);
        continue;
      }
      Attempt attempt{std::move(answers[i]), std::nullopt};
      settle(orders[i], attempt, started + static_cast<std::int64_t>(i) * each, each);
    }
    return true;
  }

  void run_unit(const Order& order) {
    const auto payload = payload_of(order);
    if (!payload) return desk_.release(order.unit);
    const std::int64_t started = wall_ns();
    Attempt attempt;
    if (!guarded([&] { attempt = attempt_unit(worker_, order, *payload, team_); })) return desk_.release(order.unit);
    settle(order, attempt, started, wall_ns() - started);
  }

  /// Stores what came of a unit.
  void settle(const Order& order, Attempt& attempt, std::int64_t started, std::int64_t took) {
    const auto write = [&] {
      if (attempt.failure) return;
      if (attempt.answer.write_first) attempt.answer.write_first();
      if (attempt.answer.make_durable) attempt.answer.make_durable();
    };
    if (!guarded(write)) return desk_.release(order.unit);
    if (attempt.failure) return desk_.refuse(order.unit, *attempt.failure);
    Finished result;
    result.unit = order.unit;
    result.mode = order.mode;
    result.attempt = order.attempt;
    result.started = started;
    result.finished = started + took;
    result.crc = attempt.answer.crc;
    result.flags = attempt.answer.flags;
    result.bytes = std::move(attempt.answer.bytes);
    desk_.accept(result);
  }

  /// nullopt: there is none to be had, and the run is broken off.
  std::optional<std::span<const std::byte>> payload_of(const Order& order) {
    const auto key = payload_key(plan_, order);
    if (!key) return std::span<const std::byte>();
    if (!fetch(*key)) return std::nullopt;
    return payloads_.at(*key);
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
