#include "farm/worker.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <future>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/in_background.h"
#include "farm/plan_facts.h"
#include "farm/run_unit.h"
#include "farm/watchdog.h"

namespace steergrid {
namespace {

constexpr double kWaitForMates = 60;  // seconds a member that threw waits for the others' agreement
constexpr double kGoodbye = 10;       // seconds for the last messages to leave
constexpr std::chrono::microseconds kNap{500};
constexpr std::size_t kMostOnTheirWay = 4;  // units that are being made durable: a thread each

/// Calls a step of the application; why it failed, if it did.
std::optional<Ending> tried(const std::function<void()>& step) try {
  step();
  return std::nullopt;
} catch (const Error& e) {
  return Ending{e.code(), e.what()};
} catch (const std::exception& e) {
  return Ending{ExitCode::Failed, e.what()};
}

/// One member's part in a team's stage: the payloads it keeps, and a unit run and agreed upon.
class Member {
 public:
  Member(const Plan& plan, const WorkerCalls& calls, Team& team, Team& orders)
      : plan_(plan), calls_(calls), team_(team), orders_(orders) {}

  void keep(std::vector<message::Parcel>& parcels) {
    for (message::Parcel& p : parcels) payloads_[p.key] = std::move(p.bytes);
  }

  /// One attempt an order.
  std::vector<Attempt> run(std::span<const Order> orders) {
    std::vector<Attempt> attempts;
    if (orders.size() > 1) attempts = run_together(orders);
    if (attempts.empty())
      for (const Order& order : orders) attempts.push_back(run_alone(order));
    return attempts;
  }

  int at_once() const { return calls_.at_once && calls_.run_together ? std::max(1, calls_.at_once()) : 1; }
  Team& orders() { return orders_; }

 private:
  Attempt run_alone(const Order& order) {
    Attempt attempt = attempt_unit(calls_, order, payload_of(order), team_);
    attempt.failure = agreed(attempt.failure);
    return attempt;
  }

  /// None if the model takes one at a time, or if the units failed together: then each must show by itself whether it
  /// is to blame.
  std::vector<Attempt> run_together(std::span<const Order> orders) {
    if (at_once() == 1) return {};
    std::vector<Task> tasks;
    for (const Order& order : orders) tasks.push_back({order, payload_of(order)});
    std::vector<Answer> answers;
    if (const auto why = agreed(attempt_together(calls_, tasks, team_, answers))) {
      spdlog::warn("{} units together: {}; now one by one", orders.size(), *why);
      return {};
    }
    std::vector<Attempt> attempts;
    for (Answer& answer : answers) attempts.push_back({std::move(answer), std::nullopt});
    return attempts;
  }

  std::optional<std::string> agreed(const std::optional<std::string>& failure) {
    std::optional<Deadline> patience;
    if (failure && team_.size() > 1)
      patience.emplace(kWaitForMates, "unit failed on this rank, but its team does not answer: " + *failure);
    return agree(failure, orders_);
  }

  std::span<const std::byte> payload_of(const Order& order) const {
    const auto key = payload_key(plan_, order);
    return key ? std::span<const std::byte>(payloads_.at(*key)) : std::span<const std::byte>();
  }

  const Plan& plan_;
  const WorkerCalls& calls_;
  Team& team_;
  Team& orders_;
  std::map<int, std::vector<std::byte>> payloads_;  // by Vectors unit, for this stage
};

}  // namespace

/// A leader's stage: a backlog of orders, filled from rank 0 before it runs dry, emptied through the team.
class Worker::Leading {
  /// A unit whose rows are written, and what rank 0 will hear of it.
  struct Stored {
    std::future<void> durable;
    message::Done done;
  };

 public:
  Leading(int model, Mailbox& mail, Member& member, double short_unit)
      : model_(model), mail_(mail), member_(member), short_unit_(short_unit) {}

  /// Until a letter comes that is not for this stage: that one is returned.
  Letter run() {
    for (;;) {
      ask_ahead();
      tell_rank_0(kMostOnTheirWay);
      const bool waits = backlog_.empty();
      auto letter = waits && on_their_way_.empty() ? std::optional(mail_.wait()) : mail_.take();
      if (letter) {
        message::Any m = message::decode(letter->bytes);
        auto* work = std::get_if<message::Work>(&m);
        if (work == nullptr) {
          tell_rank_0(0);
          tell_team({});
          return std::move(*letter);
        }
        file(*work);
      } else if (waits) {
        std::this_thread::sleep_for(kNap);
      } else {
        const auto n = static_cast<std::ptrdiff_t>(std::min<std::size_t>(backlog_.size(), member_.at_once()));
        const std::vector<Order> orders(backlog_.begin(), backlog_.begin() + n);
        backlog_.erase(backlog_.begin(), backlog_.begin() + n);
        run_with_team(orders);
      }
    }
  }

 private:
  void ask_ahead() {
    const int at_once = member_.at_once();
    const int enough = at_once > 1 ? at_once : last_was_short_ ? 2 : 1;
    const int have = static_cast<int>(backlog_.size());
    if (asked_ || have >= enough || (at_once > 1 && have > 0)) return;
    asked_ = true;
    mail_.post(0, message::encode(message::Request{model_, enough - have}));
  }

  void file(message::Work& work) {
    if (broken_) return;
    asked_ = false;
    backlog_.insert(backlog_.end(), work.orders.begin(), work.orders.end());
    for (message::Parcel& p : work.parcels) parcels_.push_back(std::move(p));
  }

  /// An empty WORK ends the stage for the members.
  void tell_team(message::Work work) {
    auto bytes = message::encode(message::Any(work));
    if (member_.orders().size() > 1) member_.orders().broadcast(bytes);
    member_.keep(work.parcels);
  }

  void run_with_team(const std::vector<Order>& orders) {
    tell_team({orders, std::exchange(parcels_, {})});
    const std::int64_t started = wall_ns();
    const double start = monotonic_seconds();
    std::vector<Attempt> attempts = member_.run(orders);
    last_was_short_ = monotonic_seconds() - start < short_unit_;
    // Units that were run together share their time.
    const std::int64_t each = (wall_ns() - started) / static_cast<std::int64_t>(orders.size());
    for (std::size_t i = 0; i < orders.size() && !broken_; ++i)
      report(orders[i], attempts[i], started + static_cast<std::int64_t>(i) * each, each);
  }

  void report(const Order& order, Attempt& attempt, std::int64_t started, std::int64_t took) {
    if (attempt.failure) return mail_.post(0, message::encode(message::Failed{order.unit, *attempt.failure}));
    Answer& answer = attempt.answer;
    if (answer.write_first)
      if (const auto why = tried(answer.write_first)) return give_up(*why);
    message::Done done{order.unit, answer.crc, answer.flags, started, started + took, std::move(answer.bytes)};
    if (!answer.make_durable) return tell_rank_0(done);
    on_their_way_.push_back({in_background(answer.make_durable), std::move(done)});
    tell_rank_0(kMostOnTheirWay);
  }

  /// Of the units that have become durable; waits until at most `most` others are left.
  void tell_rank_0(std::size_t most) {
    const auto is_durable = [](const std::future<void>& f) {
      return f.wait_for(std::chrono::seconds(0)) != std::future_status::timeout;
    };
    while (!on_their_way_.empty() && (on_their_way_.size() > most || is_durable(on_their_way_.front().durable))) {
      Stored unit = std::move(on_their_way_.front());
      on_their_way_.pop_front();
      if (const auto why = tried([&] { unit.durable.get(); })) return give_up(*why);
      tell_rank_0(unit.done);
    }
  }

  void tell_rank_0(message::Done& done) {
    const int unit = done.unit;
    const auto post = [&] { mail_.post(0, message::encode(std::move(done))); };
    if (const auto why = tried(post)) mail_.post(0, message::encode(message::Failed{unit, why->sentence}));
  }

  /// This leader cannot store: it takes no more work and waits for STOP.
  void give_up(const Ending& why) {
    mail_.post(0, message::encode(message::Broken{why}));
    backlog_.clear();
    on_their_way_.clear();
    broken_ = asked_ = true;
  }

  int model_;
  Mailbox& mail_;
  Member& member_;
  double short_unit_;
  std::deque<Order> backlog_;
  std::vector<message::Parcel> parcels_;  // came in, not yet passed on
  std::deque<Stored> on_their_way_;       // to the disk
  bool asked_ = false, last_was_short_ = false, broken_ = false;
};

Worker::Worker(const Plan& plan, const Topology& topology, const WorkerCalls& calls, double short_unit)
    : plan_(plan), topology_(topology), calls_(calls), mail_(topology.farm()), short_unit_(short_unit) {}

Ending Worker::run() {
  for (;;) {
    const Letter letter = next_ ? *std::exchange(next_, std::nullopt) : mail_.wait();
    const message::Any m = message::decode(letter.bytes);
    if (const auto* stop = std::get_if<message::Stop>(&m)) {
      mail_.deliver(kGoodbye);
      return stop->why;
    }
    if (const auto* stage = std::get_if<message::Stage>(&m)) work_on(stage->model);
  }
}

void Worker::work_on(int model) {
  const int degree = plan_.models.at(static_cast<std::size_t>(model)).facts.tensor_parallel;
  const auto seat = topology_.seat(degree);
  if (!seat) return;
  Team& team = topology_.team(degree);
  Team& orders = topology_.orders(degree);
  const auto trouble = tried([&] { calls_.open_model(model, team); });
  if (trouble) report(*trouble);
  const auto any_trouble = agree(trouble ? std::optional(trouble->sentence) : std::nullopt, orders);
  if (!any_trouble) {
    Member member(plan_, calls_, team, orders);
    if (seat->member == 0)
      next_ = Leading(model, mail_, member, short_unit_).run();
    else
      follow(member.orders(), [&](message::Work& work) {
        member.keep(work.parcels);
        member.run(work.orders);
      });
  }
  if (trouble) return;
  if (const auto why = tried([&] { calls_.close_model(model); })) report(*why);
}

/// Does what the leader passes on, until it passes on nothing.
void Worker::follow(Team& orders, const std::function<void(message::Work&)>& obey) {
  for (;;) {
    std::vector<std::byte> bytes;
    orders.broadcast(bytes);
    message::Any m = message::decode(bytes);
    auto& work = std::get<message::Work>(m);
    if (work.orders.empty()) return;
    obey(work);
  }
}

void Worker::report(const Ending& why) { mail_.post(0, message::encode(message::Broken{why})); }

}  // namespace steergrid
