#include "farm/progress.h"

#include <gtest/gtest.h>

#include "tests/farm/fake_plan.h"

namespace steergrid {
namespace {

const std::vector<std::string> kNames = {"small", "large"};

TEST(Duration, ReadsInTheUnitsOfItsSize) {
  EXPECT_EQ(duration_text(0.2), "0s");
  EXPECT_EQ(duration_text(59), "59s");
  EXPECT_EQ(duration_text(75), "1m15s");
  EXPECT_EQ(duration_text(4000), "1h06m");
  EXPECT_EQ(duration_text(49 * 3600), "2d01h");
  EXPECT_EQ(duration_text(1e30), "11574074074d01h") << "a damaged file may ask for that";
}

// One source: extract 0, 1 (8 pairs); vectors 2; evaluate 3, 4 (10 of 20 questions; 2 layers x 3 coefficients).
Plan plan() { return fake_plan({{.sources = 1, .extract_blocks = 2, .evaluate_blocks = 2}}); }

TEST(Progress, CountsCellsInShareOfTheirQuestions) {
  const Plan p = plan();
  UnitQueue queue(p, std::vector<UnitRecord>{{UnitRecord::State::Done, 1},
                                             {UnitRecord::State::Done, 1},
                                             {UnitRecord::State::Done, 1},
                                             {UnitRecord::State::Done, 1},
                                             {}});
  const Snapshot s = ProgressMeter(p, 0).snapshot(queue, 1, 10);
  EXPECT_EQ(s.total().cells, 6);
  EXPECT_EQ(s.total().cells_done, 3);
  EXPECT_EQ(s.total().ended(), 4);
  EXPECT_EQ(s.cells_per_second, 0) << "what an earlier launch did is no speed";
}

TEST(Progress, KnowsTheTimeLeftOnceItHasSeenEveryKindThatIsLeft) {
  const Plan p = plan();
  UnitQueue queue(p, {});
  ProgressMeter meter(p, 100);
  const auto finish = [&](const Order& order, double seconds) {
    queue.on_done(order.unit);
    meter.on_done(order.unit, seconds);
  };
  finish(*queue.on_request(), 2);
  EXPECT_FALSE(meter.snapshot(queue, 1, 102).seconds_left) << "no evaluate unit was seen yet";
  finish(*queue.on_request(), 2);
  queue.on_done(queue.next_vectors()->unit);
  finish(*queue.on_request(), 6);
  const Snapshot s = meter.snapshot(queue, 1, 110);
  ASSERT_TRUE(s.seconds_left);
  EXPECT_DOUBLE_EQ(*s.seconds_left, 6);
  EXPECT_DOUBLE_EQ(*meter.snapshot(queue, 3, 110).seconds_left, 2);
  EXPECT_DOUBLE_EQ(s.cells_per_second, 0.3);
}

Snapshot some_snapshot() {
  Snapshot s;
  s.models.resize(2);
  s.models[0] = {.units = 10, .done = 5, .failed = 0, .blocked = 0, .in_flight = 2, .cells = 60, .cells_done = 30};
  s.models[1] = {.units = 30, .done = 0, .failed = 0, .blocked = 0, .in_flight = 0, .cells = 600, .cells_done = 0};
  s.stage = 0;
  s.teams = 2;
  s.seconds = 75;
  s.cells_per_second = 0.4;
  s.seconds_left = 600;
  return s;
}

TEST(Progress, TheLiveLineShowsTheModelAtWork) {
  EXPECT_EQ(live_line(some_snapshot(), kNames, 120),
            "small (1/2) [##########..........] 5/10 units  all 12%  0.40 cells/s  10m00s left");
}

TEST(Progress, TheLiveLineFitsTheTerminal) { EXPECT_EQ(live_line(some_snapshot(), kNames, 20).size(), 20u); }

TEST(Progress, TheLiveLineSaysWhatItWaitsForWhenStopping) {
  Snapshot s = some_snapshot();
  s.stopping = true;
  s.models[0].failed = 1;
  const std::string line = live_line(s, kNames, 0);
  EXPECT_NE(line.find("stopping: waiting for 2 units"), std::string::npos) << line;
  EXPECT_NE(line.find("1 failed"), std::string::npos) << line;
}

TEST(Progress, ThePlainLineNamesEveryModel) {
  EXPECT_EQ(plain_line(some_snapshot(), kNames),
            "5/40 units, 30/660 cells, 0.40 cells/s, running 1m15s, 10m00s left: small 5/10, large 0/30");
}

TEST(Progress, LinesWorkWhenEverythingIsOver) {
  Snapshot s = some_snapshot();
  s.stage.reset();
  EXPECT_FALSE(live_line(s, kNames, 80).empty());
  EXPECT_EQ(plain_line(s, kNames).find("left"), std::string::npos);
  EXPECT_FALSE(plain_line(Snapshot{}, {}).empty());
}

}  // namespace
}  // namespace steergrid
