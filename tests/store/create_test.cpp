// The skeleton: what lies in a fresh file, that it is what docs/result-file.md says, and what creation refuses.
#include "store/create.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <fstream>
#include <set>
#include <sstream>

#include "store/hdf5.h"
#include "store/records.h"
#include "store/schema.h"
#include "store/slabs.h"
#include "tests/store/example_plan.h"
#include "tests/store/scratch.h"
#include "tests/store/tiny_disk.h"

namespace steergrid::store {
namespace {

using testing::HasSubstr;

Provenance example_provenance(const Example& e) {
  return provenance(to_json(run_identity(e.plan, e.spec, "cpu", {{"bfloat16", "avx2"}}, "none")), e.plan_text);
}

void create(const std::string& path, const Example& e, const CreateOptions& options = {}) {
  create_result_file(path, e.plan, e.spec, example_provenance(e), options);
}

/// HDF5's own lock fails where a file system has no flock; the program has a lock of its own (store/lock).
TEST(Creation, TakesNoLockOfHdf5s) {
  const Scratch folder;
  const std::string path = folder / "locked.h5", unfinished = path + ".tmp";
  const int held = ::open(unfinished.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  EXPECT_NO_THROW(create(path, make_example()));
  ::close(held);
}

/// The layout section of the document, line by line.
std::vector<std::string> documented_lines() {
  std::ifstream in(std::string(STEERGRID_SOURCE_DIR) + "/docs/result-file.md");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string shape_of(const DatasetSpec& d) {
  std::string text;
  for (const Axis& axis : d.axes) text += (text.empty() ? "" : ", ") + axis.name;
  return d.name == "message" ? "[unit, 240]" : "[" + text + "]";
}

TEST(Skeleton, EveryDatasetIsInTheDocumentWithItsAxesAndType) {
  const Example e = make_example({.activations = ActivationStore::Float16});
  const auto lines = documented_lines();
  ASSERT_FALSE(lines.empty());
  for (const DatasetSpec& d : make_schema(e.plan, e.spec, {}).datasets) {
    const bool found = std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      if (line.find(d.name) == std::string::npos) return false;
      if (d.is_scale()) return true;
      return line.find(std::string(name_of(d.type))) != std::string::npos &&
             (d.axes.empty() || line.find(shape_of(d)) != std::string::npos ||
              line.find("of the same shape") != std::string::npos);
    });
    EXPECT_TRUE(found) << d.path() << " " << shape_of(d) << " " << name_of(d.type);
  }
}

TEST(Skeleton, EveryAttributeIsInTheDocument) {
  const Example e = make_example();
  std::stringstream text;
  for (const std::string& line : documented_lines()) text << line << "\n";
  for (const AttributeSpec& a : make_schema(e.plan, e.spec, {}).attributes)
    EXPECT_THAT(text.str(), HasSubstr(a.name)) << "of " << a.owner;
}

TEST(Skeleton, EveryAxisOfEveryDatasetHasItsScaleInTheSameGroup) {
  const Scratch scratch;
  const Example e = make_example({.activations = ActivationStore::Float32});
  create(scratch / "r.h5", e);
  const Handle file = open_to_read(scratch / "r.h5");
  for (const DatasetSpec& d : make_schema(e.plan, e.spec, {}).datasets) {
    const Handle data(H5Dopen2(file.id(), d.path().c_str(), H5P_DEFAULT), H5Dclose);
    ASSERT_TRUE(data) << d.path();
    for (unsigned i = 0; i < d.axes.size() && !d.is_scale(); ++i) {
      const Handle scale(H5Dopen2(file.id(), (d.group + "/" + d.axes[i].name).c_str(), H5P_DEFAULT), H5Dclose);
      EXPECT_GT(H5DSis_attached(data.id(), scale.id(), i), 0) << d.path() << " " << d.axes[i].name;
    }
  }
}

TEST(Skeleton, SmallResultsReadAsNaNAndTokensAsMinusOneBeforeAnyUnitRan) {
  const Scratch scratch;
  create(scratch / "r.h5", make_example());
  const Handle file = open_to_read(scratch / "r.h5");
  Slabs slabs(Doing(scratch / "r.h5"), file.id(), H5P_DEFAULT);
  std::vector<double> logprob(7 * 2 * 3 * 2);
  slabs.read("/models/tiny/runs/refusal/letter_logprob", ElementType::F64, 0, 7, logprob.data(), logprob.size());
  EXPECT_TRUE(std::all_of(logprob.begin(), logprob.end(), [](double x) { return std::isnan(x); }));
  std::vector<float> mean(3 * 8);
  slabs.read("/models/tiny/vectors/refusal/mean", ElementType::F32, 0, 3, mean.data(), mean.size());
  EXPECT_TRUE(std::all_of(mean.begin(), mean.end(), [](float x) { return std::isnan(x); }));
  std::vector<std::int32_t> token(7 * 2 * 3);
  slabs.read("/models/tiny/runs/refusal/top_token", ElementType::I32, 0, 7, token.data(), token.size());
  EXPECT_THAT(token, testing::Each(-1));
}

TEST(Skeleton, RecordsAreAbsentKnowTheirContentAndLieOn64Bytes) {
  const Scratch scratch;
  const Example e = make_example();
  create(scratch / "r.h5", e);
  const Handle file = open_to_read(scratch / "r.h5");
  Slabs slabs(Doing(scratch / "r.h5"), file.id(), H5P_DEFAULT);
  std::vector<UnitRecord> records(e.plan.units.size());
  slabs.read("/sched/units", ElementType::UnitRecord, 0, records.size(), records.data(), records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].state, UnitState::Absent);
    EXPECT_EQ(records[i].attempt, 0u);
    EXPECT_EQ(records[i].content, e.plan.units[i].content);
  }
  const Handle data(H5Dopen2(file.id(), "/sched/units", H5P_DEFAULT), H5Dclose);
  EXPECT_EQ(H5Dget_offset(data.id()) % 64, 0u);
}

TEST(Skeleton, TheLettersOfAQuestionPointIntoTheLettersOfTheRun) {
  const Scratch scratch;
  create(scratch / "r.h5", make_example());
  const Handle file = open_to_read(scratch / "r.h5");
  Slabs slabs(Doing(scratch / "r.h5"), file.id(), H5P_DEFAULT);
  std::vector<std::int32_t> matching(7), unit(7);
  slabs.read("/models/tiny/runs/hedging/matching_letter", ElementType::I32, 0, 7, matching.data(), 7);
  EXPECT_THAT(matching, testing::ElementsAre(0, 1, 0, 1, 0, 1, 0));
  slabs.read("/models/tiny/runs/refusal/question_unit", ElementType::I32, 0, 7, unit.data(), 7);
  EXPECT_THAT(unit, testing::ElementsAre(8, 8, 8, 9, 9, 9, 10));
}

TEST(Skeleton, TextsKeepTheirCharactersAndANulBecomesAReplacement) {
  const Scratch scratch;
  Example e = make_example();
  e.spec.text = "name: a" + std::string(1, '\0') + "b größer";
  create(scratch / "r.h5", e);
  const Handle file = open_to_read(scratch / "r.h5");
  EXPECT_EQ(read_text(Doing(scratch / "r.h5"), file.id(), "/spec/yaml"),
            "name: a\xEF\xBF\xBD"
            "b größer");
  EXPECT_EQ(read_text(Doing(scratch / "r.h5"), file.id(), "/spec/plan"), e.plan_text);
}

TEST(Creation, MakesTheFolderAndLeavesNoUnfinishedFileBehind) {
  const Scratch scratch;
  create(scratch / "deep/er/r.h5", make_example());
  EXPECT_TRUE(std::filesystem::exists(scratch / "deep/er/r.h5"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "deep/er/r.h5.tmp"));
}

TEST(Creation, TakesNoMoreThanItForetells) {
  const Scratch scratch;
  const Example e = make_example({.pairs = 50, .questions = 60, .activations = ActivationStore::Float32});
  create(scratch / "r.h5", e);
  EXPECT_LE(std::filesystem::file_size(scratch / "r.h5"), result_file_bytes(e.plan, e.spec));
}

TEST(Creation, ReplacesAnUnfinishedFileOfAKilledRun) {
  const Scratch scratch;
  std::ofstream(scratch / "r.h5.tmp") << "half a file";
  create(scratch / "r.h5", make_example());
  EXPECT_TRUE(open_to_read(scratch / "r.h5"));
}

TEST(Creation, NeverOverwrites) {
  const Scratch scratch;
  std::ofstream(scratch / "r.h5") << "precious";
  EXPECT_THAT(error_of([&] { create(scratch / "r.h5", make_example()); }), HasSubstr("expected no file of this name"));
  EXPECT_EQ(std::filesystem::file_size(scratch / "r.h5"), 8u);
}

TEST(Creation, SaysHowMuchSpaceIsMissing) {
  const TinyDisk disk("4m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs: " << disk.why_not();
  const Example e = make_example({.pairs = 20000, .activations = ActivationStore::Float32});
  const std::string error = error_of([&] { create(disk / "r.h5", e); });
  EXPECT_THAT(error, HasSubstr("the result file needs"));
  EXPECT_THAT(error, HasSubstr("free"));
  EXPECT_FALSE(std::filesystem::exists(disk / "r.h5.tmp"));
}

TEST(Creation, SaysThatTheFolderIsReadOnly) {
  const TinyDisk disk("4m");
  if (!disk.mounted() || !disk.make_read_only()) GTEST_SKIP() << "cannot mount a tmpfs: " << disk.why_not();
  EXPECT_THAT(error_of([&] { create(disk / "r.h5", make_example()); }), HasSubstr("Read-only file system"));
}

TEST(Creation, SaysThatAFolderIsInTheWay) {
  const Scratch scratch;
  std::ofstream(scratch / "file") << "x";
  EXPECT_THAT(error_of([&] { create(scratch / "file/r.h5", make_example()); }), HasSubstr("folder cannot be made"));
}

TEST(Creation, RefusesTwoRunsOfOneName) {
  const Scratch scratch;
  Example e = make_example();
  e.spec.runs[1].name = "refusal";
  EXPECT_THAT(error_of([&] { create(scratch / "r.h5", e); }), HasSubstr("/models/tiny/runs/refusal"));
}

}  // namespace
}  // namespace steergrid::store
