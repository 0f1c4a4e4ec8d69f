// Writing over MPI: every rank is a member of the store communicator; rank 0 commits, the others lead (alone: both).
#include "store/result_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mpi.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <utility>

#include "comm/mpi_handle.h"
#include "store/create.h"
#include "store/doctor.h"
#include "store/hdf5.h"
#include "store/slabs.h"
#include "store/status.h"
#include "tests/comm/mpi_main.h"
#include "tests/store/example_plan.h"
#include "tests/store/scratch.h"
#include "tests/store/tiny_disk.h"

namespace {
bool disk_fails = false;
}

/// Stands before the C library's, for the whole test: a disk that loses what it took, and says so once.
extern "C" int fdatasync(int file) {
  if (!std::exchange(disk_fails, false)) return static_cast<int>(::syscall(SYS_fdatasync, file));
  errno = EIO;
  return -1;
}

namespace steergrid::store {
namespace {

using testing::HasSubstr;

bool coordinates() { return session().rank() == 0; }
/// The rank that leads for the test: the last one.
bool leads() { return session().rank() == session().size() - 1; }
void barrier() { MPI_Barrier(mpi_handle(session().world())); }

/// A text of rank 0 on every rank.
std::string from_rank_0(const std::string& text) {
  char buffer[4096] = {};
  text.copy(buffer, sizeof buffer - 1);
  MPI_Bcast(buffer, sizeof buffer, MPI_CHAR, 0, mpi_handle(session().world()));
  return buffer;
}

class Run : public testing::Test {
 protected:
  explicit Run(const ExampleSize& size = {}) : example_(make_example(size)) {}
  void SetUp() override {
    if (coordinates()) {
      scratch_.emplace();
      create_result_file(*scratch_ / "r.h5", example_.plan, example_.spec,
                         provenance(to_json(run_identity(example_.plan, example_.spec, "cpu", {}, "")), ""));
    }
    path_ = from_rank_0(coordinates() ? *scratch_ / "r.h5" : "");
  }
  void TearDown() override { barrier(); }
  void open(bool mixed = false) { file_.emplace(path_, example_.plan, example_.spec, session().world(), mixed); }
  void close() {
    file_->close();
    file_.reset();
  }
  /// The whole road of one unit.
  void run_unit(int unit, std::uint32_t flags = 0) {
    const UnitKind kind = example_.plan.units[unit].kind;
    if (coordinates()) file_->begin(unit, 1);
    barrier();
    if (leads() && kind == UnitKind::Evaluate) file_->write_evaluation(unit, example_evaluation(example_, unit).rows());
    if (leads() && kind == UnitKind::Extract && example_.spec.activations != ActivationStore::None)
      file_->write_activations(unit, example_block(example_, unit).activations);
    if (leads()) file_->sync();
    barrier();
    if (!coordinates()) return;
    if (kind == UnitKind::Extract) file_->write_block(unit, example_block(example_, unit).rows());
    if (kind == UnitKind::Vectors) file_->write_vectors(unit, example_vectors(example_, unit).rows());
    file_->commit(unit, {example_checksum(example_, unit), flags, 5, 9, 3, 2});
  }

  Example example_;
  std::optional<Scratch> scratch_;
  std::string path_;
  std::optional<ResultFile> file_;
};

class RunWithHalfActivations : public Run {
 protected:
  RunWithHalfActivations() : Run({.activations = ActivationStore::Float16}) {}
};

TEST_F(Run, WhatWasCommittedReadsBackTheSameBits) {
  open();
  for (const int unit : {0, 6, 8, 13, 14}) run_unit(unit);
  close();
  open();
  if (coordinates()) {
    EXPECT_EQ(checksum_of(file_->read_block(0).rows()), checksum_of(example_block(example_, 0).rows()));
    EXPECT_EQ(checksum_of(file_->read_vectors(6).rows()), example_checksum(example_, 6));
    EXPECT_EQ(checksum_of(file_->read_evaluation(8).rows()), example_checksum(example_, 8));
    EXPECT_EQ(checksum_of(file_->read_evaluation(13).rows()), file_->records()[13].crc);
    EXPECT_THAT(resume_state(file_->records()).done, testing::ElementsAre(0, 6, 8, 13, 14));
  }
  close();
}

TEST_F(Run, ARecordCarriesAllThatIsKnownOfItsUnit) {
  open();
  if (coordinates()) {
    LaunchRecord launch;
    launch.started = 1;
    file_->add_launch(launch);
    file_->add_launch(launch);
  }
  run_unit(8, kFlagNotFinite);
  close();
  open();
  if (coordinates()) {
    const UnitRecord r = file_->records()[8];
    EXPECT_EQ(r.state, UnitState::Done);
    EXPECT_EQ(r.attempt, 1u);
    EXPECT_EQ(r.flags, kFlagNotFinite);
    EXPECT_EQ(r.launch, 1u);
    EXPECT_EQ(r.started, 5);
    EXPECT_EQ(r.finished, 9);
    EXPECT_EQ(r.content, example_.plan.units[8].content);
    EXPECT_EQ(r.team, 3u);
    EXPECT_EQ(r.ranks, 2u);
  }
  close();
}

TEST_F(Run, OnAnotherMachineMarksItsUnits) {
  open(true);
  run_unit(0);
  if (coordinates()) {
    EXPECT_EQ(file_->records()[0].flags, kFlagMixedIdentity);
  }
  close();
}

TEST_F(Run, AReaderSeesEachCommitWhileTheRunGoesOn) {
  open();
  for (const int unit : {0, 1, 8}) {
    run_unit(unit);
    if (coordinates()) {
      const Status status = read_status(path_, 20);
      EXPECT_EQ(status.total.done, unit == 0 ? 1 : unit == 1 ? 2 : 3);
    }
  }
  close();
}

TEST_F(Run, FailedAndBlockedUnitsKeepTheirSentenceAndAttempt) {
  open();
  if (coordinates()) {
    file_->begin(0, 4);
    file_->fail(0, std::string(300, 'x') + "end");
    file_->block(6, "extract of refusal failed");
    file_->begin(8, 1);
  }
  close();
  if (coordinates()) {
    const Status status = read_status(path_, 0);
    ASSERT_EQ(status.failures.size(), 2u);
    EXPECT_EQ(status.failures[0].sentence, std::string(240, 'x'));
    EXPECT_EQ(status.failures[0].attempts, 4u);
    EXPECT_EQ(status.failures[1].sentence, "extract of refusal failed");
    EXPECT_EQ(status.total.suspect, 1);
  }
}

TEST_F(Run, AfterADiskLostSomethingNothingIsDurable) {
  open();
  if (leads()) {
    for (const int unit : {8, 13}) file_->write_evaluation(unit, example_evaluation(example_, unit).rows());
    disk_fails = true;
    for (int unit = 0; unit < 2; ++unit)
      EXPECT_THAT(error_of([&] { file_->sync(); }), HasSubstr("fdatasync failed (Input/output error)"));
  }
  close();
}

TEST_F(Run, RowsOfAWrongSizeAreRefusedBeforeAnythingIsWritten) {
  open();
  if (leads()) {
    Evaluation rows = example_evaluation(example_, 8);
    rows.top_token.pop_back();
    EXPECT_THAT(error_of([&] { file_->write_evaluation(8, rows.rows()); }), HasSubstr("top_token"));
    EXPECT_THAT(error_of([&] { file_->write_evaluation(0, rows.rows()); }), HasSubstr("unit 0 has no"));
  }
  close();
}

/// How opening a file fails on this member: with a sentence where it `speaks`, in silence elsewhere.
void expect_refusal(const std::string& path, const Example& example, bool speaks, const std::string& sentence) {
  try {
    ResultFile(path, example.plan, example.spec, session().world());
    ADD_FAILURE() << "opened";
  } catch (const Error& error) {
    if (speaks)
      EXPECT_THAT(error.what(), HasSubstr(sentence));
    else
      EXPECT_STREQ(error.what(), "");
  }
}

TEST_F(Run, AFileThatCannotBeWrittenIsAnErrorOnEveryMemberAndSaidByOne) {
  expect_refusal(path_ + ".none", example_, coordinates(), "cannot be opened for writing by member 0");
}

/// As on a node that still sees an older state of the file: it opens for writing, and reading it fails.
TEST_F(Run, AFileThatOneMemberCannotReadIsAnErrorOnEveryMemberAndSaidByThatOne) {
  if (coordinates()) std::ofstream(path_ + ".stale") << "half a file";
  barrier();
  expect_refusal(leads() ? path_ + ".stale" : path_, example_, leads(),
                 "expected an HDF5 file, found another kind of file");
}

TEST_F(Run, AFileThatOneMemberHasAnotherOfIsAnErrorOnEveryMemberAndSaidByOne) {
  if (session().size() == 1) return;
  if (coordinates())
    create_result_file(path_ + ".other", example_.plan, example_.spec,
                       {.identity = "{}", .plan_text = "", .tool_version = "", .git_revision = "", .created = "now"});
  barrier();
  expect_refusal(leads() ? path_ + ".other" : path_, example_, coordinates(), "sees another file than rank 0");
}

TEST_F(Run, WhereLeadersMayNotWriteRankZeroWritesWhatTheySent) {
  file_.emplace(path_, example_.plan, example_.spec, session().world(), false, true);
  EXPECT_FALSE(file_->leaders_write());
  std::vector<std::byte> sent = encode(example_evaluation(example_, 8).rows());
  if (coordinates()) {
    file_->write_evaluation(8, decode_evaluation(sent).rows());
    file_->commit(8, {});
    EXPECT_EQ(checksum_of(file_->read_evaluation(8).rows()), example_checksum(example_, 8));
  } else {
    EXPECT_THAT(error_of([&] { file_->write_evaluation(8, example_evaluation(example_, 8).rows()); }),
                HasSubstr("only rank 0 writes"));
  }
  close();
}

TEST(Doctor, FindsThatHdf5WorksAndLeavesNothingBehind) {
  std::optional<Scratch> scratch;
  if (coordinates()) scratch.emplace();
  const std::string folder = from_rank_0(coordinates() ? scratch->folder() : "");
  const Hdf5Check check = check_hdf5(folder, session().world());
  EXPECT_TRUE(check.works) << check.finding;
  EXPECT_THAT(check.version, testing::StartsWith("1."));
  barrier();
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  barrier();
}

TEST(Doctor, SaysTheSameOnEveryRankWhereAFolderCannotBeWritten) {
  const Hdf5Check check = check_hdf5("/no/such/folder", session().world());
  EXPECT_FALSE(check.works);
  EXPECT_THAT(check.finding, HasSubstr("/no/such/folder"));
}

TEST_F(RunWithHalfActivations, ActivationsAreRoundedByOurselves) {
  open();
  run_unit(1);
  close();
  if (!coordinates()) return;
  const std::string dataset = "/models/tiny/activations/refusal/activations";
  const Handle file = open_to_read(path_);
  Slabs slabs(Doing(path_), file.id(), H5P_DEFAULT);
  const std::vector<float> made = example_block(example_, 1).activations;
  std::vector<std::uint16_t> found(made.size());
  slabs.read(dataset, ElementType::F16, 2, 2, found.data(), found.size());
  for (std::size_t i = 0; i < made.size(); ++i) EXPECT_EQ(found[i], float_to_float16(made[i])) << i;
  std::vector<std::uint16_t> before(made.size());
  slabs.read(dataset, ElementType::F16, 0, 2, before.data(), before.size());
  EXPECT_THAT(before, testing::Each(0));
}

/// On rank 0 alone, which then leads and commits.
class FullDisk : public testing::Test {
 protected:
  void TearDown() override { barrier(); }
  const Communicator alone_ = session().world().split(session().rank());
};

TEST_F(FullDisk, IsNamedAndTheUnitIsNotDone) {
  if (!coordinates()) return;
  const TinyDisk disk("8m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs: " << disk.why_not();
  const Example e = make_example({.pairs = 2000, .pairs_a_unit = 1000, .activations = ActivationStore::Float32});
  create_result_file(disk / "r.h5", e.plan, e.spec, provenance("{}", ""), {.reserve_space = false});
  std::ofstream filler(disk / "filler");
  while (filler << std::string(4096, 'x') << std::flush) continue;
  ResultFile file(disk / "r.h5", e.plan, e.spec, alone_);
  const std::string error = error_of([&] {
    file.write_activations(0, example_block(e, 0).activations);
    file.sync();
  });
  EXPECT_THAT(error, HasSubstr(disk / "r.h5"));
  EXPECT_THAT(error, HasSubstr("no space is left on the disk"));
  EXPECT_EQ(read_status(disk / "r.h5", 0).total.done, 0);
  std::filesystem::remove(disk / "filler");
  file.close();
}

TEST_F(FullDisk, CannotComeWhereTheSpaceWasReserved) {
  if (!coordinates()) return;
  const TinyDisk disk("8m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs: " << disk.why_not();
  const Example e = make_example({.pairs = 2000, .pairs_a_unit = 1000, .activations = ActivationStore::Float32});
  create_result_file(disk / "r.h5", e.plan, e.spec, provenance("{}", ""));
  std::ofstream filler(disk / "filler");
  while (filler << std::string(4096, 'x') << std::flush) continue;
  ResultFile file(disk / "r.h5", e.plan, e.spec, alone_);
  file.begin(0, 1);
  file.write_activations(0, example_block(e, 0).activations);
  file.write_block(0, example_block(e, 0).rows());
  file.commit(0, {});
  EXPECT_EQ(read_status(disk / "r.h5", 0).total.done, 1);
  file.close();
}

TEST_F(FullDisk, AFileSizeLimitIsAnErrorToo) {
  if (!coordinates()) return;
  const Scratch scratch;
  const Example e = make_example();
  create_result_file(scratch / "r.h5", e.plan, e.spec, provenance("{}", ""));
  ResultFile file(scratch / "r.h5", e.plan, e.spec, alone_);
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string error = error_of([&] { file.commit(0, {}); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_THAT(error, HasSubstr("writing /sched/units failed"));
  EXPECT_EQ(file.records()[0].state, UnitState::Absent);
  EXPECT_EQ(read_status(scratch / "r.h5", 0).total.done, 0);
  file.close();
}

}  // namespace
}  // namespace steergrid::store
