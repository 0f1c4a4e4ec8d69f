#include "farm/desk.h"

#include <fmt/format.h>

#include "base/clock.h"

namespace steergrid {
namespace {

constexpr double kShowEvery = 0.2;  // seconds

}  // namespace

Desk::Desk(const Plan& plan, std::span<const UnitRecord> records, const CoordinatorCalls& calls)
    : calls_(calls), queue_(plan, records), meter_(plan, monotonic_seconds()) {}

/// Runs a step that the application supplied; whether it went well. If not, the run is broken off.
bool Desk::guarded(const std::function<void()>& step) try {
  step();
  return true;
} catch (const Error& e) {
  break_off({e.code(), e.what()});
  return false;
} catch (const std::exception& e) {
  break_off({ExitCode::Failed, e.what()});
  return false;
}

void Desk::break_off(const Ending& why) {
  if (!broken_) broken_ = why;
  queue_.stop();
}

std::optional<Order> Desk::next() {
  const auto order = queue_.on_request();
  if (!order || guarded([&] { calls_.begin(order->unit, order->attempt); })) return order;
  release(order->unit);
  return std::nullopt;
}

std::optional<std::vector<std::byte>> Desk::payload(int vectors_unit) {
  std::vector<std::byte> bytes;
  if (!guarded([&] { bytes = calls_.payload(vectors_unit); })) return std::nullopt;
  return bytes;
}

void Desk::accept(const Finished& result) {
  if (broken_ || !guarded([&] { calls_.commit(result); })) return release(result.unit);
  queue_.on_done(result.unit);
  meter_.on_done(result.unit, seconds_between(result.started, result.finished));
}

void Desk::refuse(int unit, const std::string& sentence) {
  if (broken_ || !guarded([&] { calls_.failed(unit, sentence); })) return release(unit);
  queue_.on_failed(unit);
}

void Desk::release(int unit) {
  const std::uint32_t attempt = queue_.on_released(unit);
  if (calls_.released) guarded([&] { calls_.released(unit, attempt); });
}

void Desk::note_death(const Order& order) {
  const UnitState now = queue_.state(order.unit);
  if (calls_.died && (now == UnitState::Waiting || now == UnitState::Ready))
    guarded([&] { calls_.died(order.unit, order.attempt); });
}

void Desk::tidy(int teams) {
  write_verdicts();
  run_vectors();
  if (!queue_.stopping() && calls_.stop_requested && calls_.stop_requested()) queue_.stop();
  const double now = monotonic_seconds();
  if (now - last_shown_ >= kShowEvery) show_progress(teams, now);
}

void Desk::write_verdicts() {
  for (const Verdict& v : queue_.take_verdicts())
    guarded([&] {
      if (v.state == UnitState::Blocked) return calls_.blocked(v.unit, v.because_of);
      calls_.failed(v.unit,
                    fmt::format("its worker died in {} attempts, at least {} of them alone (--retry-failed tries "
                                "again)",
                                kAttempts, kAttempts - 1));
    });
}

void Desk::run_vectors() {
  while (const auto order = queue_.next_vectors()) {
    const bool went_well = guarded([&] {
      calls_.begin(order->unit, order->attempt);
      calls_.run_vectors(order->unit, order->attempt);
    });
    if (!went_well) return release(order->unit);
    queue_.on_done(order->unit);
  }
}

void Desk::show_progress(int teams, double now) {
  last_shown_ = now;
  if (calls_.progress) guarded([&] { calls_.progress(meter_.snapshot(queue_, teams, now)); });
}

Ending Desk::close(int teams) {
  const double now = monotonic_seconds();
  show_progress(teams, now);
  if (broken_) return *broken_;
  if (stopped()) return {ExitCode::RunAgain, "stopped on request; the same command goes on from here"};
  const ModelProgress total = meter_.snapshot(queue_, teams, now).total();
  if (total.failed + total.blocked == 0) return {};
  return {ExitCode::Failed,
          fmt::format("{} of {} units failed, {} could not be computed without them; `steergrid status` says why, and "
                      "--retry-failed tries again",
                      total.failed, total.units, total.blocked)};
}

}  // namespace steergrid
