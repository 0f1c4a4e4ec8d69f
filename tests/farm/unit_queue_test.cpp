#include "farm/unit_queue.h"

#include <gtest/gtest.h>

#include <utility>

#include "base/error.h"
#include "tests/farm/fake_plan.h"

namespace steergrid {
namespace {

using Records = std::vector<UnitRecord>;
constexpr auto kAbsent = UnitRecord::State::Absent;
constexpr auto kDone = UnitRecord::State::Done;
constexpr auto kFailed = UnitRecord::State::Failed;

std::vector<int> take_all(UnitQueue& queue) {
  std::vector<int> units;
  while (const auto order = queue.on_request()) units.push_back(order->unit);
  return units;
}

void finish_all(UnitQueue& queue, const std::vector<int>& units) {
  for (const int u : units) queue.on_done(u);
}

// One source: extract 0, 1; vectors 2; evaluate 3, 4.
Plan small_plan() { return fake_plan({{.sources = 1, .extract_blocks = 2, .evaluate_blocks = 2}}); }
// Two sources normalised together: extract 0, 1 | 2, 3; vectors 4 | 5; evaluate 6, 7 | 8, 9.
Plan pair_plan(bool normalize) {
  return fake_plan({{.sources = 2, .extract_blocks = 2, .evaluate_blocks = 2, .normalize = normalize}});
}

TEST(UnitQueue, HandsOutExtractUnitsInIndexOrderAndThenHasNothingForNow) {
  const Plan plan = small_plan();
  UnitQueue queue(plan, {});
  EXPECT_EQ(take_all(queue), (std::vector<int>{0, 1}));
  EXPECT_FALSE(queue.next_vectors());
  EXPECT_EQ(queue.in_flight(), 2);
  EXPECT_FALSE(queue.at_rest());
}

TEST(UnitQueue, VectorsBecomeReadyWithTheLastExtractUnitAndEvaluateUnitsWithTheVectors) {
  const Plan plan = small_plan();
  UnitQueue queue(plan, {});
  take_all(queue);
  queue.on_done(1);
  EXPECT_FALSE(queue.next_vectors());
  queue.on_done(0);
  EXPECT_FALSE(queue.on_request());
  ASSERT_EQ(queue.next_vectors()->unit, 2);
  EXPECT_FALSE(queue.on_request());
  queue.on_done(2);
  EXPECT_EQ(take_all(queue), (std::vector<int>{3, 4}));
  finish_all(queue, {4, 3});
  EXPECT_FALSE(queue.stage());
  EXPECT_TRUE(queue.at_rest());
}

TEST(UnitQueue, NormalisationMakesVectorsWaitForEverySource) {
  const Plan plan = pair_plan(true);
  UnitQueue queue(plan, {});
  take_all(queue);
  finish_all(queue, {0, 1, 2});
  EXPECT_FALSE(queue.next_vectors());
  queue.on_done(3);
  EXPECT_EQ(queue.next_vectors()->unit, 4);
  EXPECT_EQ(queue.next_vectors()->unit, 5);
}

TEST(UnitQueue, WithoutNormalisationASourceGoesOnByItself) {
  const Plan plan = pair_plan(false);
  UnitQueue queue(plan, {});
  take_all(queue);
  finish_all(queue, {2, 3});
  EXPECT_EQ(queue.next_vectors()->unit, 5);
  EXPECT_FALSE(queue.next_vectors());
  queue.on_done(5);
  EXPECT_EQ(take_all(queue), (std::vector<int>{8, 9}));
}

TEST(UnitQueue, AFailedExtractUnitBlocksItsVectorsAndLeavesBaselines) {
  const Plan plan = pair_plan(false);
  UnitQueue queue(plan, {});
  take_all(queue);
  queue.on_failed(0);
  EXPECT_TRUE(queue.take_verdicts().empty()) << "extract unit 1 is still at work";
  finish_all(queue, {1, 2, 3});
  const auto verdicts = queue.take_verdicts();
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].unit, 4);
  EXPECT_EQ(verdicts[0].state, UnitState::Blocked);
  EXPECT_EQ(verdicts[0].because_of, 0);
  queue.on_done(queue.next_vectors()->unit);
  std::vector<std::pair<int, RunMode>> orders;
  while (const auto order = queue.on_request()) orders.emplace_back(order->unit, order->mode);
  EXPECT_EQ(orders,
            (std::vector<std::pair<int, RunMode>>{
                {6, RunMode::BaselineOnly}, {7, RunMode::BaselineOnly}, {8, RunMode::Whole}, {9, RunMode::Whole}}));
}

TEST(UnitQueue, UnderNormalisationOneFailedExtractUnitBlocksAllVectors) {
  const Plan plan = pair_plan(true);
  UnitQueue queue(plan, {});
  take_all(queue);
  finish_all(queue, {0, 1, 2});
  queue.on_failed(3);
  EXPECT_EQ(queue.take_verdicts().size(), 2u);
  while (const auto order = queue.on_request()) EXPECT_EQ(order->mode, RunMode::BaselineOnly);
  EXPECT_EQ(queue.in_flight(), 4);
}

TEST(UnitQueue, ModelsComeStrictlyOneAfterAnother) {
  const Plan plan = fake_plan({{.sources = 1, .extract_blocks = 1, .evaluate_blocks = 1}, {.sources = 1}});
  UnitQueue queue(plan, {});
  EXPECT_EQ(queue.stage(), 0);
  queue.on_done(queue.on_request()->unit);
  queue.on_done(queue.next_vectors()->unit);
  const auto last = queue.on_request();
  EXPECT_FALSE(queue.on_request()) << "the second model waits for the last unit of the first";
  queue.on_done(last->unit);
  EXPECT_EQ(queue.stage(), 1);
  EXPECT_EQ(unit_of(plan, queue.on_request()->unit).model, 1);
}

TEST(UnitQueue, ResumesWithWhatTheRecordsSay) {
  const Plan plan = small_plan();
  Records records(5);
  records[0] = records[1] = records[2] = records[4] = {kDone, 1};
  UnitQueue queue(plan, records);
  EXPECT_FALSE(queue.next_vectors());
  const auto order = queue.on_request();
  EXPECT_EQ(order->unit, 3);
  EXPECT_EQ(order->attempt, 1u);
  queue.on_done(3);
  EXPECT_FALSE(queue.stage());
}

TEST(UnitQueue, AFailedRecordStaysFailed) {
  const Plan plan = small_plan();
  Records records(5);
  records[0] = {kFailed, 1};
  UnitQueue queue(plan, records);
  EXPECT_EQ(take_all(queue), (std::vector<int>{1}));
  queue.on_done(1);
  ASSERT_EQ(queue.take_verdicts().size(), 1u);
  EXPECT_EQ(queue.on_request()->mode, RunMode::BaselineOnly);
}

TEST(UnitQueue, RefusesRecordsOfAnotherPlan) {
  const Plan plan = small_plan();
  EXPECT_THROW(UnitQueue(plan, Records(4)), Error);
}

TEST(UnitQueue, ASuspectRunsAloneAfterTheRest) {
  const Plan plan = small_plan();
  Records records(5);
  records[0] = records[1] = records[2] = {kDone, 1};
  records[3] = {kAbsent, 1};
  UnitQueue queue(plan, records);
  EXPECT_EQ(queue.on_request()->unit, 4);
  EXPECT_FALSE(queue.on_request()) << "the suspect waits until nothing else is in flight";
  queue.on_done(4);
  const auto suspect = queue.on_request();
  EXPECT_EQ(suspect->unit, 3);
  EXPECT_EQ(suspect->attempt, 2u);
  queue.on_done(3);
  EXPECT_FALSE(queue.stage());
}

TEST(UnitQueue, SuspectsRunOneByOneAndWhatTheyHeldUpRunsTogether) {
  const Plan plan = small_plan();
  Records records(5);
  records[0] = records[1] = {kAbsent, 1};
  UnitQueue queue(plan, records);
  EXPECT_EQ(take_all(queue), (std::vector<int>{0}));
  queue.on_done(0);
  EXPECT_EQ(take_all(queue), (std::vector<int>{1}));
  queue.on_done(1);
  queue.on_done(queue.next_vectors()->unit);
  EXPECT_EQ(take_all(queue), (std::vector<int>{3, 4}));
}

TEST(UnitQueue, FailsASuspectOnlyAfterThreeAttemptsAlone) {
  const Plan plan = small_plan();
  for (std::uint32_t open = 1; open <= kAttempts; ++open) {
    Records records(5);
    records[0] = records[1] = records[2] = records[3] = {kDone, 1};
    records[4] = {kAbsent, open};
    UnitQueue queue(plan, records);
    const auto order = queue.on_request();
    EXPECT_EQ(order.has_value(), open < kAttempts) << "after " << open << " open attempts";
    if (order) {
      EXPECT_EQ(order->attempt, open + 1);
    } else {
      EXPECT_EQ(queue.state(4), UnitState::Failed);
      EXPECT_EQ(queue.take_verdicts().size(), 1u);
      EXPECT_TRUE(queue.at_rest());
    }
  }
}

TEST(UnitQueue, AnAttemptThatEndedWithItsLaunchMakesASuspectAndDoesNotCount) {
  const Plan plan = small_plan();
  Records records(5);
  records[0] = records[1] = records[2] = {kDone, 1};
  records[3] = {kAbsent, kAttempts, false};
  UnitQueue queue(plan, records);
  EXPECT_EQ(queue.on_request()->unit, 4);
  EXPECT_FALSE(queue.on_request()) << "the suspect waits until nothing else is in flight";
  queue.on_done(4);
  EXPECT_EQ(queue.on_request()->attempt, kAttempts) << "once more";
}

TEST(UnitQueue, AnInterruptedVectorsUnitIsNoSuspect) {
  const Plan plan = small_plan();
  Records records(5);
  records[0] = records[1] = {kDone, 1};
  records[2] = {kAbsent, 9};
  UnitQueue queue(plan, records);
  EXPECT_EQ(queue.next_vectors()->attempt, 10u);
}

TEST(UnitQueue, AReleasedUnitIsReadyAgainAndItsAttemptDoesNotCount) {
  const Plan plan = small_plan();
  UnitQueue queue(plan, {});
  take_all(queue);
  EXPECT_EQ(queue.on_released(0), 0u);
  const auto again = queue.on_request();
  EXPECT_EQ(again->unit, 0);
  EXPECT_EQ(again->attempt, 1u);
}

TEST(UnitQueue, AUnitOfADeadTeamIsSuspectAndFailsAfterThreeDeathsAlone) {
  const Plan plan = small_plan();
  UnitQueue queue(plan, {});
  take_all(queue);
  queue.on_lost(0);
  EXPECT_FALSE(queue.on_request()) << "unit 1 is in flight";
  queue.on_done(1);
  for (int alone = 0; alone < 3; ++alone) {
    EXPECT_EQ(queue.on_request()->unit, 0);
    queue.on_lost(0);
  }
  EXPECT_EQ(queue.state(0), UnitState::Failed);
  EXPECT_EQ(queue.state(2), UnitState::Blocked);
  EXPECT_EQ(queue.take_verdicts().size(), 2u);
  EXPECT_EQ(queue.on_request()->mode, RunMode::BaselineOnly);
}

TEST(UnitQueue, AfterStopItHandsOutNothingAndRestsWhenTheLastUnitIsBack) {
  const Plan plan = small_plan();
  UnitQueue queue(plan, {});
  EXPECT_EQ(queue.on_request()->unit, 0);
  queue.stop();
  EXPECT_FALSE(queue.on_request());
  EXPECT_FALSE(queue.at_rest());
  queue.on_done(0);
  EXPECT_TRUE(queue.at_rest());
  EXPECT_TRUE(queue.stage()) << "there is work left for another launch";
}

TEST(UnitQueue, RefusesNewsOfAUnitThatWasNotHandedOut) {
  const Plan plan = small_plan();
  UnitQueue queue(plan, {});
  EXPECT_THROW(queue.on_done(0), Error);
  EXPECT_THROW(queue.on_failed(-1), Error);
  EXPECT_THROW(queue.on_lost(99), Error);
  queue.on_request();
  queue.on_done(0);
  EXPECT_THROW(queue.on_done(0), Error);
}

}  // namespace
}  // namespace steergrid
