// Whole runs of the queue: random schedules with failures, deaths, releases and killed launches, and every interleaving
// of a small plan. The rules hold at every step, whatever happens in whatever order.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "farm/unit_queue.h"
#include "tests/farm/fake_plan.h"

namespace steergrid {
namespace {

using Records = std::vector<UnitRecord>;
constexpr auto kAbsent = UnitRecord::State::Absent;
constexpr auto kDone = UnitRecord::State::Done;
constexpr auto kFailed = UnitRecord::State::Failed;

/// A plan, the records a result file would hold of it, and how likely things go wrong.
struct Schedule {
  Plan plan;
  Records records;  // as a result file would hold them
  std::vector<int> done_times;
  std::mt19937 random;
  double fails = 0, dies = 0, releases = 0;

  Schedule(Plan p, unsigned seed)
      : plan(std::move(p)), records(plan.units.size()), done_times(records.size()), random(seed) {}

  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; }
  UnitRecord& record(int unit) { return records[static_cast<std::size_t>(unit)]; }

  bool ended(int unit) { return record(unit).state != kAbsent; }

  void check_may_start(const Order& order, const std::vector<int>& flying) {
    const Unit& unit = unit_of(plan, order.unit);
    const ModelPlan& model = plan.models[static_cast<std::size_t>(unit.model)];
    EXPECT_EQ(order.attempt, record(order.unit).attempt + 1);
    for (std::size_t u = 0; u < plan.units.size(); ++u)
      if (plan.units[u].model < unit.model) {
        EXPECT_TRUE(ended(static_cast<int>(u))) << "an earlier model is not over";
      }
    if (unit.kind != UnitKind::Vectors && order.attempt > 1) {
      EXPECT_TRUE(flying.empty()) << "a suspect must be alone";
    }
    if (unit.kind == UnitKind::Evaluate) {
      const int vectors =
          model.vectors[static_cast<std::size_t>(model.runs[static_cast<std::size_t>(unit.target)].vectors)].unit;
      EXPECT_EQ(record(vectors).state, order.mode == RunMode::Whole ? kDone : UnitRecord::State::Blocked);
    }
    if (unit.kind == UnitKind::Vectors) {
      std::vector<int> sources = model.normalize_over;
      sources.push_back(unit.target);
      for (const int v : sources)
        for (const int block : model.vectors[static_cast<std::size_t>(v)].blocks) EXPECT_EQ(record(block).state, kDone);
    }
  }

  void write_verdicts(UnitQueue& queue) {
    for (const Verdict& v : queue.take_verdicts()) {
      EXPECT_FALSE(ended(v.unit));
      record(v.unit).state = v.state == UnitState::Blocked ? UnitRecord::State::Blocked : kFailed;
    }
  }

  void take(const Order& order, std::vector<int>& flying) {
    check_may_start(order, flying);
    record(order.unit).attempt = order.attempt;
    flying.push_back(order.unit);
  }

  void come_back(UnitQueue& queue, int unit) {
    if (chance(releases)) {
      record(unit).attempt = queue.on_released(unit);
    } else if (chance(dies)) {
      queue.on_lost(unit);
    } else if (chance(fails)) {
      record(unit).state = kFailed;
      queue.on_failed(unit);
    } else {
      record(unit).state = kDone;
      ++done_times[static_cast<std::size_t>(unit)];
      queue.on_done(unit);
    }
  }

  /// One launch with up to `teams` units in flight; it may be killed at any step. Whether it came to its end.
  bool launch(std::size_t teams, double killed) {
    UnitQueue queue(plan, records);
    std::vector<int> flying;
    for (;;) {
      write_verdicts(queue);
      while (const auto order = queue.next_vectors()) {
        std::vector<int> local;
        take(*order, local);
        record(order->unit).state = kDone;
        ++done_times[static_cast<std::size_t>(order->unit)];
        queue.on_done(order->unit);
      }
      if (queue.at_rest()) return true;
      if (chance(killed)) return false;
      const auto order = flying.size() < teams ? queue.on_request() : std::nullopt;
      if (order) {
        take(*order, flying);
        if (chance(0.5)) continue;
      }
      if (flying.empty()) {
        ADD_FAILURE() << "nothing is in flight and nothing is handed out";
        return true;
      }
      const std::size_t i = random() % flying.size();
      const int unit = flying[i];
      flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(i));
      come_back(queue, unit);
    }
  }
};

Plan random_plan(std::mt19937& random) {
  std::vector<FakeModel> models(1 + random() % 3);
  for (FakeModel& m : models)
    m = {.sources = static_cast<int>(1 + random() % 3),
         .extract_blocks = static_cast<int>(1 + random() % 4),
         .evaluate_blocks = static_cast<int>(random() % 5),
         .normalize = random() % 2 == 0};
  return fake_plan(models);
}

TEST(UnitQueueRandom, EveryUnitIsDoneExactlyOnceWhenNothingGoesWrong) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    Schedule s(random_plan(random), seed);
    ASSERT_TRUE(s.launch(1 + seed % 5, 0));
    for (const int n : s.done_times) ASSERT_EQ(n, 1) << "seed " << seed;
  }
}

TEST(UnitQueueRandom, EveryUnitEndsOnceUnderFailuresDeathsAndReleases) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    Schedule s(random_plan(random), seed);
    s.fails = 0.1;
    s.dies = 0.2;
    s.releases = 0.1;
    ASSERT_TRUE(s.launch(1 + seed % 5, 0));
    for (std::size_t u = 0; u < s.records.size(); ++u) {
      ASSERT_NE(s.records[u].state, kAbsent) << "seed " << seed << " unit " << u;
      ASSERT_EQ(s.done_times[u], s.records[u].state == kDone ? 1 : 0);
      ASSERT_LE(s.records[u].attempt, kAttempts);
    }
  }
}

TEST(UnitQueueRandom, LaunchesKilledAtAnyMomentAddUpToOneRun) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    Schedule s(random_plan(random), seed);
    int launches = 1;
    while (!s.launch(1 + seed % 4, 0.02)) ASSERT_LT(++launches, 1000) << "no progress";
    for (std::size_t u = 0; u < s.records.size(); ++u) {
      ASSERT_NE(s.records[u].state, kAbsent) << "seed " << seed << " unit " << u;
      ASSERT_LE(s.done_times[u], 1);
    }
  }
}

// Every order in which two teams can finish the units of a small plan, walked exhaustively.
TEST(UnitQueueExhaustive, EveryInterleavingOfTwoTeamsEndsWithAllDone) {
  const Plan plan = fake_plan({{.sources = 2, .extract_blocks = 1, .evaluate_blocks = 2}});
  int paths = 0;
  const std::function<void(std::vector<bool>)> walk = [&](std::vector<bool> choices) {
    UnitQueue queue(plan, {});
    std::vector<int> flying;
    std::size_t step = 0;
    int done = 0;
    while (!queue.at_rest()) {
      while (const auto v = queue.next_vectors()) queue.on_done(v->unit), ++done;
      while (flying.size() < 2) {
        const auto order = queue.on_request();
        if (!order) break;
        flying.push_back(order->unit);
      }
      if (flying.empty()) break;
      bool second = false;
      if (flying.size() == 2) {
        if (step == choices.size()) {
          for (const bool c : {false, true}) {
            auto longer = choices;
            longer.push_back(c);
            walk(longer);
          }
          return;
        }
        second = choices[step++];
      }
      const auto it = flying.begin() + (second ? 1 : 0);
      queue.on_done(*it);
      ++done;
      flying.erase(it);
    }
    ++paths;
    ASSERT_EQ(done, static_cast<int>(plan.units.size()));
    ASSERT_FALSE(queue.stage());
  };
  walk({});
  EXPECT_EQ(paths, 16);
}

}  // namespace
}  // namespace steergrid
