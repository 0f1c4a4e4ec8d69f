// The arithmetic of what to ask Slurm for, with round numbers: a GPU does 1 TFLOP/s, the disk 1 GB/s.
#include "batch/job_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace steergrid {
namespace {

SiteProfile site_with(int gpus) {
  SiteProfile site;
  site.gpus_per_node = gpus;
  site.gpu_tflops = 1;
  site.disk_gbps = 1;
  site.max_nodes = 8;
  site.max_seconds = 24 * 3600;
  return site;
}

/// `seconds` of work for one GPU in `units` even units.
ModelDemand model(int degree, double seconds, int units) {
  ModelDemand m;
  m.name = "model";
  m.degree = degree;
  m.flops = seconds * 1e12;
  m.longest_unit = seconds * 1e12 / units;
  m.units = units;
  return m;
}

JobRequest request(ModelDemand m, const SiteProfile& site, const FixedRequest& fixed = {}) {
  return request_for({{"sweep", {std::move(m)}}}, site, fixed);
}

TEST(JobRequest, SeatsOneWorkerAGpuAndACoordinator) {
  const JobRequest r = request(model(1, 1000, 100), site_with(4), {.nodes = 2, .seconds = {}});
  EXPECT_EQ(r.workers, 4);
  EXPECT_EQ(r.ranks(), 1 + 2 * 4);
  EXPECT_EQ(r.tasks_per_node(), 5);
  EXPECT_TRUE(r.gpus);
}

TEST(JobRequest, GivesTheSignalTwiceTheLongestUnitAndAMinuteBeforeTheEnd) {
  EXPECT_EQ(request(model(1, 1000, 10), site_with(1)).signal_lead, 2 * 100 + 60);
  EXPECT_EQ(request(model(2, 1000, 10), site_with(2)).signal_lead, 2 * 50 + 60);  // two GPUs share a unit
}

TEST(JobRequest, AsksForTheEstimateAndAMargin) {
  const JobRequest r = request(model(1, 40'000, 1000), site_with(4));
  EXPECT_DOUBLE_EQ(r.estimate, 10'000);
  EXPECT_EQ(r.nodes, 1);
  EXPECT_GT(r.minutes * 60, 1.5 * 10'000 + static_cast<double>(r.signal_lead));
  EXPECT_LT(r.minutes * 60, 2 * 10'000);
}

TEST(JobRequest, CountsReadingTheWeights) {
  ModelDemand m = model(1, 1000, 1000);
  m.weights = 500'000'000'000;
  EXPECT_DOUBLE_EQ(request(m, site_with(1)).estimate, 1000 + 500);
}

TEST(JobRequest, CountsThatEachTeamReadsStreamedWeightsTwice) {
  ModelDemand m = model(1, 1000, 1000);
  m.weights = 500'000'000'000;
  m.streamed = true;
  EXPECT_DOUBLE_EQ(request(m, site_with(2), {.nodes = 1, .seconds = {}}).estimate, 500 + 2 * 2 * 500);
}

TEST(JobRequest, TakesAsFewNodesAsEndWithinTheLimit) {
  SiteProfile site = site_with(2);
  site.max_seconds = 10'000;
  EXPECT_EQ(request(model(1, 10'000, 1000), site).nodes, 1);
  EXPECT_EQ(request(model(1, 30'000, 1000), site).nodes, 3);
  EXPECT_EQ(request(model(1, 1e6, 1000), site).nodes, site.max_nodes);  // and requeues itself
  EXPECT_LE(request(model(1, 1e6, 1000), site).minutes * 60, site.max_seconds);
  EXPECT_EQ(request(model(1, 1e6, 1000), site, {.nodes = 2, .seconds = {}}).nodes, 2);
}

TEST(JobRequest, AsksForNoMoreThanThereAreUnitsToRunAtOnce) {
  const JobRequest r = request(model(2, 80'000'000, 3), site_with(8), {.nodes = {}, .seconds = 300 * 24 * 3600});
  EXPECT_EQ(r.workers, 6);
  EXPECT_EQ(r.nodes, 1);
}

TEST(JobRequest, LetsNoTeamCrossNodesUnlessTheModelIsLargerThanOne) {
  EXPECT_EQ(workers_for(8, 4), 8);
  EXPECT_EQ(workers_for(6, 4), 4);
  EXPECT_EQ(workers_for(3, 2), 2);
  EXPECT_EQ(workers_for(4, 8), 4);
  EXPECT_EQ(workers_for(6, 8), 4);
  EXPECT_EQ(workers_for(5, 1), 5);
  for (int offered = 1; offered <= 16; ++offered)
    for (const int degree : {1, 2, 4, 8}) {
      const int workers = workers_for(offered, degree);
      EXPECT_GE(workers, 1);
      EXPECT_LE(workers, offered);
      EXPECT_TRUE(workers % degree == 0 || degree % workers == 0) << offered << " " << degree;
    }
}

TEST(JobRequest, RefusesAModelThatNeedsMoreNodesThanThereMayBe) {
  EXPECT_EQ(request(model(8, 1000, 10), site_with(4)).nodes, 2);
  try {
    request(model(8, 1000, 10), site_with(4), {.nodes = 1, .seconds = {}});
    FAIL() << "one node was enough";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::BadInput);
    EXPECT_THAT(e.what(), testing::HasSubstr("8 ranks"));
  }
}

TEST(JobRequest, RefusesALimitThatTheLongestUnitDoesNotFit) {
  EXPECT_THROW(request(model(1, 1000, 1), site_with(1), {.nodes = {}, .seconds = 3000}), Error);
  EXPECT_NO_THROW(request(model(1, 1000, 10), site_with(1), {.nodes = {}, .seconds = 3000}));
}

TEST(JobRequest, KeepsAGivenTime) {
  EXPECT_EQ(request(model(1, 10, 10), site_with(1), {.nodes = {}, .seconds = 120}).minutes, 2);
}

TEST(JobRequest, AsksForMemoryAsTheModelTakesIt) {
  ModelDemand m = model(1, 100, 10);
  m.rank_bytes = std::int64_t{4} << 30;
  m.host_buffers = std::int64_t{2} << 30;
  SiteProfile cpus = site_with(0);
  cpus.workers_per_node = 2;
  const std::int64_t on_cpus = request(m, cpus).memory_mib, on_gpus = request(m, site_with(2)).memory_mib;
  EXPECT_GE(on_cpus, 2 * 4096);
  EXPECT_LT(on_cpus, 2 * 2 * 4096);
  EXPECT_LT(on_gpus, on_cpus);
  EXPECT_GE(on_gpus, 2 * 2 * 1024);
  cpus.memory_mib = 0;
  EXPECT_EQ(request(m, cpus).memory_mib, 0);
}

TEST(JobRequest, DoesForTheLargestOfSeveralSweeps) {
  const SweepDemand small{"small", {model(1, 100, 100)}}, large{"large", {model(4, 9000, 10), model(1, 5000, 10)}};
  const JobRequest both = request_for({small, large}, site_with(4), {}), one = request_for({large}, site_with(4), {});
  EXPECT_EQ(both.minutes, one.minutes);
  EXPECT_EQ(both.workers, 4);
  EXPECT_EQ(both.signal_lead, one.signal_lead);
}

}  // namespace
}  // namespace steergrid
