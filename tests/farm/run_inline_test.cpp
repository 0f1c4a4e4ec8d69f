#include "farm/run_inline.h"

#include <gtest/gtest.h>

#include "farm/plan_facts.h"
#include "tests/farm/fake_app.h"

namespace steergrid {
namespace {

TEST(PlanFacts, DegreesAreAscendingAndNamedOnce) {
  const Plan plan = fake_plan({{.tensor_parallel = 4}, {.tensor_parallel = 1}, {.tensor_parallel = 4}});
  EXPECT_EQ(degrees_of(plan), (std::vector<int>{1, 4}));
}

TEST(PlanFacts, OnlyWholeEvaluateUnitsNeedAPayload) {
  const Plan plan = fake_plan({{.sources = 1, .extract_blocks = 1, .evaluate_blocks = 1}});
  EXPECT_FALSE(payload_key(plan, {0, RunMode::Whole, 1}));
  EXPECT_EQ(payload_key(plan, {2, RunMode::Whole, 1}), 1);
  EXPECT_FALSE(payload_key(plan, {2, RunMode::BaselineOnly, 1}));
}

TEST(RunInline, OpensEachModelOnceAndShowsProgressAtTheEnd) {
  const Plan plan = fake_plan({{}, {}});
  FakeStore store(plan);
  FakeModelRunner runner(plan);
  EXPECT_EQ(run_inline(plan, {}, store.calls(), runner.calls()).code, ExitCode::Ok);
  EXPECT_EQ(runner.opened, 2);
  EXPECT_FALSE(runner.open);
  EXPECT_GE(store.snapshots, 1);
}

TEST(RunInline, OpensNoModelWhenNothingIsLeft) {
  const Plan plan = fake_plan({{}});
  FakeStore store(plan);
  for (UnitRecord& r : store.records) r = {UnitRecord::State::Done, 1};
  FakeModelRunner runner(plan);
  EXPECT_EQ(run_inline(plan, store.records, store.calls(), runner.calls()).code, ExitCode::Ok);
  EXPECT_EQ(runner.opened, 0);
}

TEST(RunInline, RunsAsManyUnitsTogetherAsTheModelTakes) {
  const Plan plan = fake_plan({{.sources = 2, .extract_blocks = 3, .evaluate_blocks = 4}});
  FakeStore store(plan);
  FakeModelRunner runner(plan);
  runner.at_once = 100;
  EXPECT_EQ(run_inline(plan, {}, store.calls(), runner.calls()).code, ExitCode::Ok);
  EXPECT_EQ(runner.together, (std::vector<int>{6, 8}));  // all extracts, then all evaluations
  EXPECT_EQ(store.count(UnitRecord::State::Done), static_cast<int>(plan.units.size()));
}

TEST(RunInline, OfUnitsThatFailTogetherOnlyTheBadOneFails) {
  const Plan plan = fake_plan({{.sources = 1, .extract_blocks = 4, .evaluate_blocks = 3}});
  FakeStore store(plan);
  FakeModelRunner runner(plan);
  runner.at_once = 100;
  const int bad = plan.models[0].runs[0].blocks[1];
  runner.before = [&](const Order& order, Team&) {
    if (order.unit == bad) bad_input("item 7: no letter");
  };
  EXPECT_EQ(run_inline(plan, {}, store.calls(), runner.calls()).code, ExitCode::Failed);
  EXPECT_EQ(store.sentences[static_cast<std::size_t>(bad)], "item 7: no letter");
  EXPECT_EQ(store.count(UnitRecord::State::Done), static_cast<int>(plan.units.size()) - 1);
}

TEST(RunInline, UnitsRunTogetherAreReleasedWhenTheRunBreaksOff) {
  const Plan plan = fake_plan({{.sources = 1, .extract_blocks = 4, .evaluate_blocks = 3}});
  FakeStore store(plan);
  FakeModelRunner runner(plan);
  runner.at_once = 100;
  runner.before = [](const Order& order, Team&) {
    if (order.unit == 2) throw Error(ExitCode::RunAgain, "the weights cannot be streamed any further");
  };
  const Ending ending = run_inline(plan, {}, store.calls(), runner.calls());
  EXPECT_EQ(ending.code, ExitCode::RunAgain);
  EXPECT_EQ(ending.sentence, "the weights cannot be streamed any further");
  store.expect_nothing_open();
}

TEST(RunInline, AVectorsUnitThatCannotBeStoredStopsTheRun) {
  const Plan plan = fake_plan({{}});
  FakeStore store(plan);
  FakeModelRunner runner(plan);
  CoordinatorCalls calls = store.calls();
  calls.run_vectors = [](int, std::uint32_t) { failed("no space left on the device"); };
  const Ending ending = run_inline(plan, {}, calls, runner.calls());
  EXPECT_EQ(ending.code, ExitCode::Failed);
  EXPECT_EQ(ending.sentence, "no space left on the device");
  store.expect_nothing_open();
}

TEST(RunInline, ARecordThatCannotBeWrittenStopsTheRunBeforeTheUnitRuns) {
  const Plan plan = fake_plan({{}});
  FakeStore store(plan);
  FakeModelRunner runner(plan);
  int runs = 0;
  runner.before = [&](const Order&, Team&) { ++runs; };
  CoordinatorCalls calls = store.calls();
  calls.begin = [](int, std::uint32_t) { failed("read-only file system"); };
  EXPECT_EQ(run_inline(plan, {}, calls, runner.calls()).sentence, "read-only file system");
  EXPECT_EQ(runs, 0);
}

}  // namespace
}  // namespace steergrid
