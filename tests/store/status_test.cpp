// The view from outside: right numbers from a file in the making, and a sentence for every file that is none.
#include "store/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <random>

#include "base/in_a_child.h"
#include "store/create.h"
#include "store/hdf5.h"
#include "store/identity.h"
#include "store/slabs.h"
#include "tests/store/example_plan.h"
#include "tests/store/scratch.h"

/// A damaged size makes HDF5 ask for absurd memory and take no for an answer; so must the sanitizer.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
/// Without its atexit handler HDF5 frees nothing of its own at the end.
extern "C" const char* __lsan_default_suppressions() { return "leak:libhdf5"; }

namespace steergrid::store {
namespace {

using testing::HasSubstr;
constexpr std::int64_t kSecond = 1'000'000'000, kNow = 2'000'000 * kSecond;

class StatusOf : public testing::Test {
 protected:
  void SetUp() override {
    create_result_file(
        path_, example_.plan, example_.spec,
        provenance(to_json(run_identity(example_.plan, example_.spec, "cpu", {{"bfloat16", "avx2"}}, "")), "plan"));
  }
  void put(int unit, const UnitRecord& record, const std::string& sentence = "") {
    const Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    Slabs slabs(Doing(path_), file.id(), H5P_DEFAULT);
    slabs.write("/sched/units", ElementType::UnitRecord, static_cast<std::uint64_t>(unit), 1, &record, 1);
    std::string bytes = sentence;
    bytes.resize(kMessageBytes);
    slabs.write("/sched/message", ElementType::U8, static_cast<std::uint64_t>(unit), 1, bytes.data(), kMessageBytes);
  }
  void finish(int unit, double seconds_ago, double took, std::uint32_t flags = 0, std::uint32_t team = 0) {
    UnitRecord record{UnitState::Done, 1, flags, 0, 0, 0, 0, 0, team, 1, 0};
    record.finished = kNow - static_cast<std::int64_t>(seconds_ago * kSecond);
    record.started = record.finished - static_cast<std::int64_t>(took * kSecond);
    put(unit, record);
  }
  void add_launches(int count) {
    const Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    LaunchRecord launch;
    launch.started = kNow;
    const std::vector<LaunchRecord> launches(static_cast<std::size_t>(count), launch);
    Slabs(Doing(path_), file.id(), H5P_DEFAULT)
        .write("/sched/launches", ElementType::LaunchRecord, 0, launches.size(), launches.data(), launches.size());
  }
  std::string bytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Scratch scratch_;
  std::string path_ = scratch_ / "r.h5";
  Example example_ = make_example();
};

TEST_F(StatusOf, AFreshFileCountsAllUnitsAndCells) {
  const Status status = read_status(path_, kNow);
  EXPECT_EQ(status.name, "example");
  EXPECT_EQ(status.total.total, 28);
  EXPECT_EQ(status.total.done, 0);
  ASSERT_EQ(status.models.size(), 2u);
  EXPECT_EQ(status.models[0].name, "tiny");
  EXPECT_EQ(status.models[0].extract.total, 6);
  EXPECT_EQ(status.models[0].vectors.total, 2);
  EXPECT_EQ(status.models[0].evaluate.total, 6);
  EXPECT_NEAR(status.cells, 2 * 2 * 2 * 3, 1e-9);
  EXPECT_FALSE(status.seconds_left);
  EXPECT_FALSE(status.running);
  EXPECT_EQ(status.launches, 0);
}

TEST_F(StatusOf, ARunInTheMakingKnowsRateAndTimeLeft) {
  finish(0, 100, 4);
  finish(8, 50, 10);   // 3 of 7 questions of 6 cells
  finish(9, 700, 10);  // before the window
  const Status status = read_status(path_, kNow);
  EXPECT_EQ(status.total.done, 3);
  EXPECT_NEAR(status.cells_done, 6 * 6.0 / 7, 1e-9);
  EXPECT_NEAR(status.cells_per_second, 6 * 3.0 / 7 / 104, 1e-6);
  ASSERT_TRUE(status.seconds_left);
  EXPECT_GT(*status.seconds_left, 0);
}

TEST_F(StatusOf, TwoTeamsNeedHalfTheTime) {
  finish(0, 100, 4);
  finish(8, 50, 10);
  const double alone = *read_status(path_, kNow).seconds_left;
  finish(8, 50, 10, 0, 1);
  EXPECT_NEAR(*read_status(path_, kNow).seconds_left, alone / 2, 1e-9);
}

TEST_F(StatusOf, ReusedUnitsAreCountedButAreNoEffort) {
  finish(0, 100, 4);
  finish(8, 50, 10);
  const Status before = read_status(path_, kNow);
  finish(1, 90'000, 80'000, kFlagReused, 5);
  finish(9, 200, 70'000, kFlagReused, 6);
  const Status status = read_status(path_, kNow);
  EXPECT_EQ(status.total.done, 4);
  EXPECT_EQ(status.total.reused, 2);
  EXPECT_EQ(status.models[0].evaluate.reused, 1);
  EXPECT_GT(status.cells_done, before.cells_done);
  EXPECT_EQ(status.cells_computed, before.cells_computed);
  EXPECT_EQ(status.cells_per_second, before.cells_per_second);
  EXPECT_EQ(status.seconds_at_work, before.seconds_at_work);
  EXPECT_EQ(status.worker_seconds, before.worker_seconds);
  ASSERT_TRUE(status.seconds_left);
  EXPECT_LT(*status.seconds_left, *before.seconds_left) << "less is left";
  EXPECT_GT(*status.seconds_left, *before.seconds_left / 2) << "and it takes as long";
}

TEST_F(StatusOf, FailuresComeWithTheirSentenceAndSuspectsAreCounted) {
  put(3, {UnitState::Failed, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "pair 0 has 5,000 tokens — too many");
  put(8, {UnitState::Absent, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  finish(11, 1, 1, kFlagNotFinite | kFlagBaselineOnly);
  const Status status = read_status(path_, kNow);
  EXPECT_EQ(status.total.failed, 1);
  EXPECT_EQ(status.total.suspect, 1);
  EXPECT_EQ(status.total.not_finite, 1);
  EXPECT_EQ(status.total.baseline_only, 1);
  EXPECT_EQ(status.cells_done, 0);
  ASSERT_EQ(status.failures.size(), 1u);
  EXPECT_EQ(status.failures[0].unit, 3);
  EXPECT_EQ(status.failures[0].model, "tiny");
  EXPECT_EQ(status.failures[0].target, "hedging");
  EXPECT_EQ(status.failures[0].attempts, 4u);
  EXPECT_EQ(status.failures[0].sentence, "pair 0 has 5,000 tokens — too many");
}

TEST_F(StatusOf, OnlyWhatTheRunningLaunchHasBegunIsUnderWay) {
  add_launches(2);
  put(3, {UnitState::Absent, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});  // of the first launch
  put(8, {UnitState::Absent, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(read_status(path_, kNow).under_way, 0) << "nobody runs";
  EXPECT_EQ(read_status(path_, kNow).interrupted(), 2);
  const OutputLock lock(path_);
  EXPECT_EQ(read_status(path_, kNow).under_way, 1);
  EXPECT_EQ(read_status(path_, kNow).interrupted(), 1);
}

TEST_F(StatusOf, AFinishedRunHasNoTimeLeft) {
  for (int unit = 0; unit < 28; ++unit) finish(unit, 1, 1);
  const Status status = read_status(path_, kNow);
  EXPECT_EQ(status.total.done, 28);
  EXPECT_EQ(status.seconds_left, 0.0);
  EXPECT_NEAR(status.cells_done, status.cells, 1e-9);
}

TEST_F(StatusOf, AStateThatDoesNotExistIsAnError) {
  put(3, {static_cast<UnitState>(77), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_THAT(error_of([&] { read_status(path_, kNow); }), HasSubstr("unit 3 makes no sense"));
}

TEST_F(StatusOf, ItemsBeyondAnyCountAreAnError) {
  put(3, {UnitState::Failed, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  for (const std::int32_t first : {std::numeric_limits<std::int32_t>::max(), -1}) {
    {
      const Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
      Slabs(Doing(path_), file.id(), H5P_DEFAULT).write("/sched/first", ElementType::I32, 3, 1, &first, 1);
    }
    EXPECT_THAT(error_of([&] { read_status(path_, kNow); }), HasSubstr("unit 3 makes no sense")) << first;
  }
}

TEST_F(StatusOf, TimesFromEndToEndOfTheClockGiveNumbers) {
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min(), kLast = -(kFirst + 1);
  put(0, {UnitState::Done, 1, 0, 0, 0, kFirst, kLast, 0, 0, 1, 0});
  put(8, {UnitState::Done, 1, 0, 1, 0, kLast, kFirst, 0, 0, 1, 0});
  put(9, {UnitState::Done, 1, 0, 2, 0, kFirst, kNow, 0, 0, 1, 0});
  const Status status = read_status(path_, kNow);
  EXPECT_NEAR(status.worker_seconds, (0x1p64 + 0x1p63 + double{kNow}) * 1e-9, 1);
  EXPECT_NEAR(status.seconds_at_work, status.worker_seconds, 1);
  EXPECT_NEAR(status.cells_per_second, 6 * 3.0 / 7 / 300, 1e-6);
  ASSERT_TRUE(status.seconds_left);
  EXPECT_GT(*status.seconds_left, 0x1p63 * 1e-9);
}

TEST_F(StatusOf, AMissingDatasetIsNamed) {
  {
    const Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    ASSERT_GE(H5Ldelete(file.id(), "/sched/kind", H5P_DEFAULT), 0);
  }
  EXPECT_THAT(error_of([&] { read_status(path_, kNow); }), HasSubstr("/sched/kind"));
}

TEST_F(StatusOf, AnAbsurdSizeIsRefusedBeforeMemoryIsTaken) {
  {
    const Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    ASSERT_GE(H5Ldelete(file.id(), "/sched/kind", H5P_DEFAULT), 0);
    const hsize_t huge = hsize_t{1} << 40;
    const Handle space(H5Screate_simple(1, &huge, nullptr), H5Sclose);
    const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_layout(properties.id(), H5D_CONTIGUOUS);
    H5Pset_alloc_time(properties.id(), H5D_ALLOC_TIME_LATE);
    const Handle data(
        H5Dcreate2(file.id(), "/sched/kind", H5T_STD_U8LE, space.id(), H5P_DEFAULT, properties.id(), H5P_DEFAULT),
        H5Dclose);
    ASSERT_TRUE(data);
  }
  EXPECT_THAT(error_of([&] { read_status(path_, kNow); }), HasSubstr("do not fit into a file of"));
}

TEST_F(StatusOf, ATruncatedFileIsAnErrorAtEveryLength) {
  const std::string whole = bytes();
  std::mt19937 random(7);
  for (int trial = 0; trial < 60; ++trial) {
    const std::size_t length = trial < 20 ? static_cast<std::size_t>(trial) * 64 : random() % whole.size();
    std::ofstream(scratch_ / "cut.h5", std::ios::binary).write(whole.data(), static_cast<std::streamsize>(length));
    EXPECT_NE(error_of([&] { read_status(scratch_ / "cut.h5", kNow); }), "") << length;
  }
}

/// In a child, as the program reads: on a few of them HDF5 itself crashes (it trusts lengths in its heaps).
TEST_F(StatusOf, AFileWithFlippedBytesGivesNumbersOrAnErrorButNoCrash) {
  const std::string whole = bytes(), bad = scratch_ / "bad.h5";
  std::mt19937 random(11);
  int crashes = 0;
  for (int trial = 0; trial < 300; ++trial) {
    std::string damaged = whole;
    for (int i = 0; i < 1 + trial % 16; ++i)
      damaged[random() % (trial < 150 ? 4096 : 160000)] ^= static_cast<char>(1 << random() % 8);
    std::ofstream(bad, std::ios::binary).write(damaged.data(), static_cast<std::streamsize>(whole.size()));
    const std::string error = error_of([&] { try_in_a_child({bad, "damaged"}, [&] { read_status(bad, kNow); }); });
    crashes += error.starts_with(bad + ": damaged:");
  }
  EXPECT_LT(crashes, 30);
}

TEST(StatusOfAnythingElse, IsOneClearError) {
  const Scratch scratch;
  EXPECT_THAT(error_of([&] { read_status(scratch / "none.h5", kNow); }), HasSubstr("found none"));
  EXPECT_THAT(error_of([&] { read_status(scratch.folder(), kNow); }), HasSubstr("no regular file"));
  std::ofstream(scratch / "empty.h5").flush();
  EXPECT_THAT(error_of([&] { read_status(scratch / "empty.h5", kNow); }), HasSubstr("empty file"));
  std::ofstream(scratch / "text.h5") << std::string(5000, 'x');
  EXPECT_THAT(error_of([&] { read_status(scratch / "text.h5", kNow); }), HasSubstr("expected an HDF5 file"));
  { const Handle other(H5Fcreate((scratch / "other.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose); }
  EXPECT_THAT(error_of([&] { read_status(scratch / "other.h5", kNow); }), HasSubstr("without format_version"));
}

}  // namespace
}  // namespace steergrid::store
