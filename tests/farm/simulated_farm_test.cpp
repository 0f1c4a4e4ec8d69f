// The whole farm under mpirun, with a fake application: 1 rank inline, 2 solo workers, 4 workers in teams of 1 and 2.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "base/clock.h"
#include "comm/mailbox.h"
#include "comm/mpi_team.h"
#include "comm/topology.h"
#include "farm/coordinator.h"
#include "farm/plan_facts.h"
#include "farm/worker.h"
#include "tests/comm/mpi_main.h"
#include "tests/farm/fake_app.h"

namespace steergrid {
namespace {

bool coordinating() { return session().rank() == 0; }

/// A process launches once; here one follows another, and MPI may give the next communicator the number of the last. So
/// letters nobody reads any more (a second leader's complaint, say) are taken out before it is freed. Collective.
void throw_old_letters_away(const Topology& topology) {
  MpiTeam everybody(session().world().duplicate());
  const std::byte here{};
  everybody.gather_host(std::span(&here, 1));
  Mailbox mail(topology.farm());
  const double until = monotonic_seconds() + 0.02;
  while (mail.take() || monotonic_seconds() < until) continue;
  everybody.gather_host(std::span(&here, 1));
}

/// One launch of the farm as `app` would do it. Collective over the world.
Ending launch(const Plan& plan, FakeStore& store, FakeModelRunner& runner, double short_unit = kShortUnit) {
  const Topology topology(session(), degrees_of(plan));
  const CoordinatorCalls calls = store.calls();
  const WorkerCalls work = runner.calls();
  const std::vector<UnitRecord> records = store.records;
  if (topology.alone()) return run_inline(plan, records, calls, work);
  const Ending ending = coordinating() ? Coordinator(plan, topology, records, calls).run()
                                       : Worker(plan, topology, work, short_unit).run();
  throw_old_letters_away(topology);
  return ending;
}

/// A model in teams of one, then one in teams of two where there are ranks for it, then one in teams of one again.
Plan sweep() {
  const int pair = session().size() > 2 ? 2 : 1;
  return fake_plan({{.sources = 2, .extract_blocks = 5, .evaluate_blocks = 6},
                    {.sources = 2, .extract_blocks = 4, .evaluate_blocks = 5, .tensor_parallel = pair},
                    {.sources = 1, .extract_blocks = 3, .evaluate_blocks = 3}});
}

struct SimulatedFarm : testing::Test {
  const Plan plan = sweep();
  FakeStore store{plan};
  FakeModelRunner runner{plan};
  SimulatedFarm() {
    runner.before = [](const Order& order, Team&) { short_nap(order, 4); };
  }
  int units() const { return static_cast<int>(plan.units.size()); }
  void expect_all_done() {
    if (coordinating()) {
      EXPECT_EQ(store.count(UnitRecord::State::Done), units());
    }
  }
};

TEST_F(SimulatedFarm, CommitsEveryUnitExactlyOnceAndEndsWellOnEveryRank) {
  const Ending ending = launch(plan, store, runner);
  EXPECT_EQ(ending.code, ExitCode::Ok) << ending.sentence;
  EXPECT_FALSE(runner.open);
  expect_all_done();
  const std::size_t workers = session().size() > 1 ? static_cast<std::size_t>(session().size()) - 1 : 1;
  if (coordinating()) {
    EXPECT_EQ(store.teams.size(), workers) << "some team had nothing to do";
  }
}

TEST_F(SimulatedFarm, WorksWithUnitsTooLongToBeHandedOutAhead) {
  runner.before = [](const Order& order, Team&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(order.unit % 3 == 0 ? 30 : 1));
  };
  EXPECT_EQ(launch(plan, store, runner, 0.02).code, ExitCode::Ok);
  expect_all_done();
}

TEST_F(SimulatedFarm, SharesUnitsFairlyAmongTeamsThatRunManyAtOnce) {
  runner.at_once = 1000;
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Ok);
  expect_all_done();
  // At most 12 units of a model can be ready at once: a team may not take them all and leave the others idle.
  const int teams = std::max(1, (session().size() - 1) / 2);  // at least, in each model
  for (const int n : runner.together) EXPECT_LE(n, std::max(2, (12 + teams - 1) / teams));
  if (session().size() == 1) {
    EXPECT_FALSE(runner.together.empty());
  }
}

TEST_F(SimulatedFarm, OfUnitsThatFailTogetherOnlyTheBadOneFails) {
  runner.at_once = 1000;
  const int bad = plan.models[1].runs[0].blocks[2];
  runner.before = [&](const Order& order, Team&) {
    if (order.unit == bad) bad_input("item 7: the answer letter is not one token");
  };
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Failed);
  if (!coordinating()) return;
  EXPECT_EQ(store.record(bad).state, UnitRecord::State::Failed);
  EXPECT_EQ(store.count(UnitRecord::State::Done), units() - 1);
}

TEST_F(SimulatedFarm, CarriesLargeResultsAndPayloads) {
  runner.result_size = 3'000'000;
  store.payload_size = 2'000'000;
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Ok);
  expect_all_done();
}

TEST_F(SimulatedFarm, HasNothingToDoWhenAllIsDone) {
  for (UnitRecord& r : store.records) r = {UnitRecord::State::Done, 1};
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Ok);
  EXPECT_EQ(runner.opened, 0);
}

TEST_F(SimulatedFarm, AFailedEvaluateUnitIsOneFailedRow) {
  const int bad = plan.models[1].runs[0].blocks[2];
  runner.before = [&](const Order& order, Team&) {
    if (order.unit == bad) bad_input("item 7: the answer letter is not one token");
  };
  const Ending ending = launch(plan, store, runner);
  EXPECT_EQ(ending.code, ExitCode::Failed);
  EXPECT_NE(ending.sentence.find("1 of"), std::string::npos) << ending.sentence;
  if (!coordinating()) return;
  EXPECT_EQ(store.record(bad).state, UnitRecord::State::Failed);
  EXPECT_EQ(store.sentences[static_cast<std::size_t>(bad)], "item 7: the answer letter is not one token");
  EXPECT_EQ(store.count(UnitRecord::State::Done), units() - 1);
}

TEST_F(SimulatedFarm, AFailureThatOneMemberSeesAfterThePassFailsTheUnitForAll) {
  const int bad = plan.models[1].runs[1].blocks[0];
  runner.after = [&](const Order& order, Team& team) {
    if (order.unit == bad && team.rank() == team.size() - 1) failed("the self-check found nothing steered");
  };
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Failed);
  if (!coordinating()) return;
  EXPECT_EQ(store.sentences[static_cast<std::size_t>(bad)], "the self-check found nothing steered");
  EXPECT_EQ(store.count(UnitRecord::State::Done), units() - 1);
}

TEST_F(SimulatedFarm, AFailedExtractUnitBlocksVectorsAndBaselinesStillRun) {
  const int bad = plan.models[0].vectors[1].blocks[0];
  runner.before = [&](const Order& order, Team&) {
    if (order.unit == bad) throw std::runtime_error("out of memory");  // any exception, in a team of one
  };
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Failed);
  if (!coordinating()) return;
  EXPECT_EQ(store.sentences[static_cast<std::size_t>(bad)], "out of memory");
  for (const VectorPlan& v : plan.models[0].vectors) EXPECT_EQ(store.record(v.unit).state, UnitRecord::State::Blocked);
  EXPECT_EQ(store.count(UnitRecord::State::Done), units() - 3);
}

TEST_F(SimulatedFarm, AStopLetsUnitsInFlightComeBackAndTheNextLaunchGoesOn) {
  int launches = 0;
  for (Ending ending{ExitCode::RunAgain, ""}; ending.code == ExitCode::RunAgain; ++launches) {
    store.stop_after = store.commits + 9;
    ending = launch(plan, store, runner);
    if (coordinating()) store.expect_nothing_open();
    ASSERT_TRUE(ending.code == ExitCode::Ok || ending.code == ExitCode::RunAgain) << ending.sentence;
    ASSERT_LT(launches, 20);
  }
  EXPECT_GE(launches, 3);
  expect_all_done();
}

TEST_F(SimulatedFarm, AFullDiskStopsEverybodyWithItsSentenceAndLosesNothing) {
  store.disk_full_after = 13;
  const Ending ending = launch(plan, store, runner);
  EXPECT_EQ(ending.code, ExitCode::Failed);
  EXPECT_EQ(ending.sentence, "no space left on the device");
  if (coordinating()) {
    EXPECT_EQ(store.commits, 13);
    store.expect_nothing_open();
  }
  store.disk_full_after = -1;
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Ok);
  expect_all_done();
}

TEST_F(SimulatedFarm, ALeaderThatCannotWriteStopsEverybodyWithItsSentence) {
  const int bad = plan.models[0].vectors[0].blocks[3];
  runner.on_write = [&](const Order& order) {
    if (order.unit == bad) failed("activations: input/output error");
  };
  const Ending ending = launch(plan, store, runner);
  EXPECT_EQ(ending.code, ExitCode::Failed);
  EXPECT_EQ(ending.sentence, "activations: input/output error");
  if (coordinating()) store.expect_nothing_open();
  runner.on_write = {};
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Ok);
  expect_all_done();
}

TEST_F(SimulatedFarm, AUnitWhoseRowsAreNotDurableIsNotDone) {
  const int bad = plan.models[0].vectors[0].blocks[3];
  runner.on_durable = [&](const Order& order) {
    if (order.unit == bad) failed("fdatasync: input/output error");
  };
  const Ending ending = launch(plan, store, runner);
  EXPECT_EQ(ending.code, ExitCode::Failed);
  EXPECT_EQ(ending.sentence, "fdatasync: input/output error");
  if (coordinating()) {
    EXPECT_NE(store.records.at(static_cast<std::size_t>(bad)).state, UnitRecord::State::Done);
    store.expect_nothing_open();
  }
  runner.on_durable = {};
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Ok);
  expect_all_done();
}

TEST_F(SimulatedFarm, RowsBecomeDurableWhileTheNextUnitRuns) {
  std::atomic<int> begun = 0;
  std::atomic<bool> overlapped = false;
  runner.before = [&](const Order&, Team&) { ++begun; };
  runner.on_durable = [&](const Order&) {
    const int before = begun;
    for (int i = 0; i < 20 && begun == before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (begun != before) overlapped = true;
  };
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Ok);
  expect_all_done();
  MpiTeam everybody(session().world().duplicate());
  const std::byte mine{static_cast<unsigned char>(overlapped.load())};
  const std::vector<std::byte> all = everybody.gather_host(std::span(&mine, 1));
  EXPECT_EQ(std::ranges::count(all, std::byte{1}) > 0, session().size() > 1);  // a rank alone does one after the other
}

TEST_F(SimulatedFarm, AModelThatOneMemberCannotOpenStopsEverybodyWithItsSentence) {
  runner.on_open = [](int model, Team& team) {
    if (model == 1 && team.rank() == team.size() - 1) bad_input("tensor lm_head.weight is missing");
  };
  const Ending ending = launch(plan, store, runner);
  EXPECT_EQ(ending.code, ExitCode::BadInput);
  EXPECT_EQ(ending.sentence, "tensor lm_head.weight is missing");
  EXPECT_FALSE(runner.open);
  if (coordinating()) {
    EXPECT_EQ(store.count(UnitRecord::State::Done), 24);  // the first model's
    store.expect_nothing_open();
  }
}

/// A launch whose coordinator takes rank 1 for dead as soon as `lost` says so. It lives, and hears of the end.
Ending launch_that_loses_rank_1(const Plan& plan, FakeStore& store, FakeModelRunner& runner,
                                const std::function<bool()>& lost) {
  const Topology topology(session(), degrees_of(plan));
  Ending ending;
  if (coordinating()) {
    CoordinatorCalls calls = store.calls();
    calls.lost = [&] { return lost() ? std::vector<int>{1} : std::vector<int>{}; };
    ending = Coordinator(plan, topology, {}, calls).run();
    Mailbox mail(topology.farm());
    mail.post(1, message::encode(message::Stop{ending}));  // the coordinator has nothing to say to the dead
    EXPECT_TRUE(mail.deliver(5));
  } else {
    ending = Worker(plan, topology, runner.calls()).run();
  }
  throw_old_letters_away(topology);
  return ending;
}

TEST_F(SimulatedFarm, ADeathDuringTheLastCommitIsKnownWhenItEnds) {
  if (session().size() == 1) return;
  const auto due = std::ranges::count_if(plan.units, [](const Unit& u) { return u.kind != UnitKind::Vectors; });
  const Ending ending = launch_that_loses_rank_1(plan, store, runner, [&] { return store.commits == due; });
  EXPECT_FALSE(ending.complete);
  EXPECT_EQ(ending.code, ExitCode::Ok) << ending.sentence;
  expect_all_done();
}

TEST_F(SimulatedFarm, AStopAfterADeathNamesTheDeath) {
  if (session().size() == 1) return;
  store.stop_after = 5;
  const Ending ending = launch_that_loses_rank_1(plan, store, runner, [&] { return store.commits >= 2; });
  EXPECT_FALSE(ending.complete);
  EXPECT_EQ(ending.code, ExitCode::RunAgain);
  EXPECT_EQ(ending.sentence, "stopped after rank 1 was lost; the same command goes on from here");
}

TEST_F(SimulatedFarm, SuspectsOfAKilledLaunchRunAlone) {
  for (const int unit : {plan.models[0].vectors[0].blocks[0], plan.models[1].runs[0].blocks[0]})
    store.record(unit).attempt = 2;
  EXPECT_EQ(launch(plan, store, runner).code, ExitCode::Ok);
  expect_all_done();
  if (coordinating()) {
    EXPECT_EQ(store.record(plan.models[0].vectors[0].blocks[0]).attempt, 3u);
  }
}

TEST_F(SimulatedFarm, LosesNoUnitUnderManyShortUnits) {
  const Plan many = fake_plan({{.sources = 3, .extract_blocks = 60, .evaluate_blocks = 60}});
  FakeStore big(many);
  FakeModelRunner fast(many);
  EXPECT_EQ(launch(many, big, fast).code, ExitCode::Ok);
  if (coordinating()) {
    EXPECT_EQ(big.count(UnitRecord::State::Done), static_cast<int>(many.units.size()));
  }
}

}  // namespace
}  // namespace steergrid
