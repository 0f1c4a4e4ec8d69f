#include "farm/coordinator.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "farm/plan_facts.h"

namespace steergrid {
namespace {

constexpr std::chrono::microseconds kNap{500};
constexpr double kGoodbye = 10;      // seconds for the last messages to leave
constexpr double kLauncherTime = 2;  // seconds within which mpirun ends a launch that lost a rank
constexpr double kOutlived = 0.3;    // seconds: mpirun takes at least one, whoever kills a whole launch far less

}  // namespace

Coordinator::Coordinator(const Plan& plan, const Topology& topology, std::span<const UnitRecord> records,
                         const CoordinatorCalls& calls)
    : plan_(plan), topology_(topology), mail_(topology.farm()), desk_(plan, records, calls), calls_(calls) {}

Ending Coordinator::run() {
  for (;;) {
    desk_.tidy(teams());
    if (desk_.at_rest()) break;
    if (stage_ != desk_.stage()) open_stage(*desk_.stage());
    bool busy = false;
    for (auto& [leader, client] : clients_) busy |= serve(leader, client);  // before a letter can end the stage
    if (const auto letter = mail_.take()) {
      read(*letter);
      busy = true;
    } else {
      look_for_losses();  // now that the dead's last letters are read
    }
    note_deaths(monotonic_seconds());
    if (!busy) std::this_thread::sleep_for(kNap);
  }
  Ending ending = desk_.close(teams());
  look_for_losses();  // of whom the last commit has kept from us: nobody may wait for them; how it ended stays
  if (!deaths_.empty()) std::this_thread::sleep_for(std::chrono::duration<double>(kOutlived));
  note_deaths(monotonic_seconds() + kOutlived);
  ending.complete = lost_.empty();
  if (desk_.stopped() && !lost_.empty())  // mpirun that lost a rank asks the others to stop, as a user would
    ending.sentence = fmt::format("stopped after rank {} was lost; the same command goes on from here", *lost_.begin());
  tell_everybody(message::Stop{ending});
  if (!mail_.deliver(kGoodbye)) spdlog::warn("not every worker could be told to stop");
  return ending;
}

int Coordinator::teams() const { return static_cast<int>(clients_.size()); }

const TeamLayout& Coordinator::layout() const {
  return topology_.layout(plan_.models[static_cast<std::size_t>(*stage_)].facts.tensor_parallel);
}

bool Coordinator::is_whole(int team, const TeamLayout& layout) const {
  const auto last = lost_.lower_bound(layout.leader_of(team));
  return last == lost_.end() || *last >= layout.leader_of(team) + layout.degree();
}

/// Requests of the stage before are void: workers ask anew once the model is open.
void Coordinator::open_stage(int model) {
  stage_ = model;
  clients_.clear();
  const TeamLayout& seats = layout();
  for (int team = 0; team < seats.teams(); ++team)
    if (is_whole(team, seats)) clients_[seats.leader_of(team)].team = team;
  if (clients_.empty()) return desk_.break_off({ExitCode::RunAgain, "no team is left without a dead rank"});
  const auto bytes = message::encode(message::Stage{model});
  for (int rank = 1; rank < topology_.size(); ++rank) {
    const auto seat = seats.seat_of(rank);
    if (seat && is_whole(seat->team, seats))
      mail_.post(rank, bytes);  // the mates of a dead rank wait for another stage
  }
}

void Coordinator::look_for_losses() {
  if (!calls_.lost) return;
  for (const int rank : calls_.lost())
    if (lost_.insert(rank).second) bury(rank);
}

/// The rank's team retires: its units are lost, its other members may hang and are told to leave.
void Coordinator::bury(int rank) {
  mail_.forget(rank);
  quiet_until_ = monotonic_seconds() + kLauncherTime;
  spdlog::warn("rank {} is gone", rank);
  const auto seat = stage_ ? layout().seat_of(rank) : std::nullopt;
  if (!seat) return;
  const int leader = layout().leader_of(seat->team);
  const auto client = clients_.find(leader);
  if (client == clients_.end()) return;
  for (const auto& [unit, order] : client->second.orders) {
    spdlog::warn("unit {} was in flight there", unit);
    desk_.lose(unit);
    deaths_.push_back({monotonic_seconds() + kOutlived, order});
  }
  clients_.erase(client);
  for (int mate = leader; mate < leader + layout().degree() && calls_.dismiss; ++mate)
    if (!lost_.contains(mate)) calls_.dismiss(mate);
  if (clients_.empty()) desk_.break_off({ExitCode::RunAgain, "no team is left without a dead rank"});
}

void Coordinator::note_deaths(double now) {
  for (; !deaths_.empty() && deaths_.front().counts_at <= now; deaths_.pop_front())
    desk_.note_death(deaths_.front().order);
}

void Coordinator::read(const Letter& letter) try {
  if (lost_.contains(letter.from)) return;
  message::Any m = message::decode(letter.bytes);
  if (auto* request = std::get_if<message::Request>(&m)) return on(letter.from, *request);
  if (auto* done = std::get_if<message::Done>(&m)) return on(letter.from, *done);
  if (auto* failure = std::get_if<message::Failed>(&m)) return on(letter.from, *failure);
  if (auto* broken = std::get_if<message::Broken>(&m)) return on(letter.from, *broken);
  failed("rank {} sent a message that only the coordinator sends", letter.from);
} catch (const Error& e) {
  on(letter.from, message::Broken{{e.code(), fmt::format("message from rank {}: {}", letter.from, e.what())}});
}

void Coordinator::on(int from, const message::Request& request) {
  const auto client = clients_.find(from);
  if (client != clients_.end() && request.stage == stage_) client->second.wants = request.wants;
}

void Coordinator::on(int from, message::Done& done) {
  const Order order = take_order(from, done.unit);
  Finished result;
  result.unit = order.unit;
  result.mode = order.mode;
  result.attempt = order.attempt;
  result.team = clients_[from].team;
  result.leader = from;
  result.ranks = plan_.models[static_cast<std::size_t>(*stage_)].facts.tensor_parallel;
  result.crc = done.crc;
  result.flags = done.flags;
  result.started = done.started;
  result.finished = done.finished;
  result.bytes = std::move(done.bytes);
  desk_.accept(result);
}

void Coordinator::on(int from, const message::Failed& failure) {
  desk_.refuse(take_order(from, failure.unit).unit, failure.sentence);
}

void Coordinator::on(int from, const message::Broken& broken) {
  desk_.break_off(broken.why);
  const auto client = clients_.find(from);
  if (client == clients_.end()) return;
  for (const auto& [unit, order] : client->second.orders) desk_.release(unit);
  clients_.erase(client);
}

/// The order for `unit`, which `leader` no longer has.
Order Coordinator::take_order(int leader, int unit) {
  const auto client = clients_.find(leader);
  if (client != clients_.end())
    if (const auto found = client->second.orders.extract(unit)) return found.mapped();
  failed("it reports unit {}, which it was not given", unit);
}

/// Gives a leader what it asked for, or as much as there is; whether there was any.
bool Coordinator::serve(int leader, Client& client) {
  if (monotonic_seconds() < quiet_until_) return false;
  message::Work work;
  const int share = std::max(2, desk_.fair_share(teams()));  // for a team that runs many units at once
  while (client.wants > 0 && static_cast<int>(client.orders.size()) < share) {
    const auto order = desk_.next();
    if (!order) break;
    if (!add_parcel(*order, client, work)) {
      desk_.release(order->unit);
      break;
    }
    work.orders.push_back(*order);
    client.orders.emplace(order->unit, *order);
    --client.wants;
  }
  if (work.orders.empty()) return false;
  client.wants = 0;  // a leader that got less than it wanted asks again
  mail_.post(leader, message::encode(std::move(work)));
  return true;
}

/// Adds the payload an order needs, unless the leader has it; false if there is none to be had.
bool Coordinator::add_parcel(const Order& order, Client& client, message::Work& work) {
  const auto key = payload_key(plan_, order);
  if (!key || client.parcels.contains(*key)) return true;
  auto bytes = desk_.payload(*key);
  if (!bytes) return false;
  work.parcels.push_back({*key, std::move(*bytes)});
  client.parcels.insert(*key);
  return true;
}

void Coordinator::tell_everybody(const message::Any& message) {
  const auto bytes = message::encode(message);
  for (int rank = 1; rank < topology_.size(); ++rank)
    if (!lost_.contains(rank)) mail_.post(rank, bytes);
}

}  // namespace steergrid
