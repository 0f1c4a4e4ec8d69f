// An application without models and files: units answer with bytes that a test can foretell, a vector of records stands
// for the result file. It checks on the spot what the farm promises: an attempt is recorded before its unit runs, a
// unit is committed once, vectors run when their extract units are done.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <set>
#include <thread>

#include "base/error.h"
#include "farm/run_inline.h"
#include "tests/farm/fake_plan.h"

namespace steergrid {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(std::initializer_list<int> numbers) {
  Bytes bytes(numbers.size() * sizeof(int));
  std::memcpy(bytes.data(), std::data(numbers), bytes.size());
  return bytes;
}

/// Rank 0's side.
struct FakeStore {
  const Plan& plan;
  std::vector<UnitRecord> records;
  std::vector<Bytes> results;
  std::vector<std::string> sentences;
  int commits = 0, snapshots = 0;
  std::vector<int> deaths;   // units whose worker was seen to die
  int stop_after = -1;       // commits
  int disk_full_after = -1;  // commits
  std::size_t payload_size = 16;
  std::set<int> teams;

  explicit FakeStore(const Plan& p)
      : plan(p), records(p.units.size()), results(p.units.size()), sentences(p.units.size()) {}

  UnitRecord& record(int unit) { return records[static_cast<std::size_t>(unit)]; }

  Bytes payload(int vectors_unit) const {
    Bytes bytes = bytes_of({vectors_unit});
    bytes.resize(payload_size);
    return bytes;
  }

  Bytes expected(int unit, RunMode mode) const {
    const Unit& u = unit_of(plan, unit);
    const ModelPlan& m = plan.models[static_cast<std::size_t>(u.model)];
    const bool steered = u.kind == UnitKind::Evaluate && mode == RunMode::Whole;
    const int vectors = steered ? m.vectors[static_cast<std::size_t>(u.target)].unit : -1;
    return bytes_of({unit, static_cast<int>(mode), vectors});
  }

  void end(int unit, UnitRecord::State state) {
    EXPECT_EQ(record(unit).state, UnitRecord::State::Absent) << "unit " << unit << " ended twice";
    record(unit).state = state;
  }

  void commit(const Finished& f) {
    if (commits == disk_full_after) failed("no space left on the device");
    ++commits;
    EXPECT_EQ(record(f.unit).attempt, f.attempt);
    Bytes head = f.bytes;
    head.resize(3 * sizeof(int));
    EXPECT_EQ(head, expected(f.unit, f.mode));
    EXPECT_EQ(f.crc, f.bytes.size());
    EXPECT_LE(f.started, f.finished);
    EXPECT_EQ(f.ranks, plan.models[static_cast<std::size_t>(unit_of(plan, f.unit).model)].facts.tensor_parallel);
    teams.insert(f.team);
    results[static_cast<std::size_t>(f.unit)] = f.bytes;
    end(f.unit, UnitRecord::State::Done);
  }

  CoordinatorCalls calls() {
    CoordinatorCalls c;
    c.begin = [this](int unit, std::uint32_t attempt) { record(unit).attempt = attempt; };
    c.payload = [this](int vectors_unit) { return payload(vectors_unit); };
    c.commit = [this](const Finished& f) { commit(f); };
    c.run_vectors = [this](int unit, std::uint32_t attempt) {
      EXPECT_EQ(record(unit).attempt, attempt);
      end(unit, UnitRecord::State::Done);
    };
    c.failed = [this](int unit, const std::string& sentence) {
      sentences[static_cast<std::size_t>(unit)] = sentence;
      end(unit, UnitRecord::State::Failed);
    };
    c.blocked = [this](int unit, int because_of) {
      EXPECT_EQ(record(because_of).state, UnitRecord::State::Failed);
      end(unit, UnitRecord::State::Blocked);
    };
    c.released = [this](int unit, std::uint32_t attempt) { record(unit).attempt = attempt; };
    c.died = [this](int unit, std::uint32_t attempt) {
      EXPECT_EQ(record(unit).attempt, attempt);
      deaths.push_back(unit);
    };
    c.stop_requested = [this] { return commits == stop_after; };
    c.progress = [this](const Snapshot&) { ++snapshots; };
    return c;
  }

  int count(UnitRecord::State state) const {
    int n = 0;
    for (const UnitRecord& r : records) n += r.state == state;
    return n;
  }

  /// No attempt is open: a later launch suspects nobody.
  void expect_nothing_open() const {
    for (std::size_t u = 0; u < records.size(); ++u)
      if (records[u].state == UnitRecord::State::Absent) {
        EXPECT_EQ(records[u].attempt, 0u) << "unit " << u;
      }
  }
};

/// A worker's side.
struct FakeModelRunner {
  const Plan& plan;
  std::size_t result_size = 3 * sizeof(int);
  std::function<void(const Order&, Team&)> before = [](const Order&, Team&) {};
  std::function<void(const Order&, Team&)> after = [](const Order&, Team&) {};
  std::function<void(int model, Team&)> on_open = [](int, Team&) {};
  std::function<void(const Order&)> on_write, on_durable;  // the leader's own storing
  std::optional<int> open;
  int opened = 0;
  int at_once = 1;            // units
  std::vector<int> together;  // units of each call that ran several

  explicit FakeModelRunner(const Plan& p) : plan(p) {}

  WorkerCalls calls() {
    WorkerCalls c;
    c.open_model = [this](int model, Team& team) {
      EXPECT_FALSE(open) << "two models are open at once";
      on_open(model, team);
      open = model;
      ++opened;
    };
    c.close_model = [this](int model) {
      EXPECT_EQ(open, model);
      open.reset();
    };
    c.run = [this](const Order& order, std::span<const std::byte> payload, Team& team) {
      return run(order, payload, team);
    };
    c.at_once = [this] { return at_once; };
    c.run_together = [this](std::span<const Task> tasks, Team& team) {
      together.push_back(static_cast<int>(tasks.size()));
      std::vector<Answer> answers;
      for (const Task& task : tasks) answers.push_back(run(task.order, task.payload, team));
      return answers;
    };
    return c;
  }

  Answer run(const Order& order, std::span<const std::byte> payload, Team& team) {
    const Unit& unit = unit_of(plan, order.unit);
    EXPECT_EQ(open, unit.model);
    before(order, team);
    const Bytes mine = bytes_of({order.unit, static_cast<int>(order.attempt)});
    const Bytes all = team.gather_host(mine);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], mine[i % mine.size()]) << "mates run other units";
    after(order, team);
    int vectors = -1;
    if (!payload.empty()) std::memcpy(&vectors, payload.data(), sizeof vectors);
    Answer answer;
    answer.bytes = bytes_of({order.unit, static_cast<int>(order.mode), vectors});
    answer.bytes.resize(result_size);
    answer.crc = answer.bytes.size();
    if (on_write) answer.write_first = [this, order] { on_write(order); };
    if (on_durable) answer.make_durable = [this, order] { on_durable(order); };
    return answer;
  }
};

/// Sleeps that differ from unit to unit, the same in every run.
inline void short_nap(const Order& order, int most_ms) {
  const auto mixed = static_cast<std::uint32_t>(order.unit + 1) * 2654435761u >> 8;
  std::this_thread::sleep_for(std::chrono::microseconds(mixed % static_cast<std::uint32_t>(most_ms * 1000)));
}

}  // namespace steergrid
