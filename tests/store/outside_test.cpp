// A result file is nobody's friend: data and links that lead out of it are neither read nor written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "store/create.h"
#include "store/hdf5.h"
#include "store/identity.h"
#include "store/reuse.h"
#include "store/slabs.h"
#include "store/status.h"
#include "tests/store/example_plan.h"
#include "tests/store/scratch.h"

namespace steergrid::store {
namespace {

using testing::HasSubstr;

class Outside : public testing::Test {
 protected:
  void SetUp() override { create_result_file(path_, example_.plan, example_.spec, made_); }

  std::string status() const {
    return error_of([&] { read_status(path_, 0); });
  }
  std::string resume() const {
    return error_of([&] { check_output(path_, example_.plan, example_.spec, made_, false); });
  }
  std::string reuse() const {
    return error_of([&] { OldResults(path_, made_.identity, false).differences_from(made_.plan_text); });
  }
  Handle open() const { return {H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose}; }

  /// Puts a dataset of the same type and shape in the place of `name`, whose data is the file `secret_`.
  void move_out(const std::string& name) const {
    const Handle file = open();
    const Handle old(H5Dopen2(file.id(), name.c_str(), H5P_DEFAULT), H5Dclose);
    const Handle type(H5Dget_type(old.id()), H5Tclose), space(H5Dget_space(old.id()), H5Sclose);
    const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    ASSERT_GE(H5Pset_external(properties.id(), secret_.c_str(), 0, H5F_UNLIMITED), 0);
    ASSERT_GE(H5Ldelete(file.id(), name.c_str(), H5P_DEFAULT), 0);
    const Handle made(
        H5Dcreate2(file.id(), name.c_str(), type.id(), space.id(), H5P_DEFAULT, properties.id(), H5P_DEFAULT),
        H5Dclose);
    ASSERT_TRUE(made);
  }

  /// Moves `name` into another file, with a link in its place; `soft`: a soft link to that link.
  void link_out(const std::string& name, bool soft = false) const {
    const std::string link = soft ? "/way out" : name;
    const Handle file = open();
    const Handle other(H5Fcreate(secret_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
    ASSERT_GE(H5Ocopy(file.id(), name.c_str(), other.id(), "/moved", H5P_DEFAULT, H5P_DEFAULT), 0);
    ASSERT_GE(H5Ldelete(file.id(), name.c_str(), H5P_DEFAULT), 0);
    ASSERT_GE(H5Lcreate_external(secret_.c_str(), "/moved", file.id(), link.c_str(), H5P_DEFAULT, H5P_DEFAULT), 0);
    if (!soft) return;
    ASSERT_GE(H5Lcreate_soft(link.c_str(), file.id(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), 0);
  }

  Scratch scratch_;
  std::string path_ = scratch_ / "r.h5", secret_ = scratch_ / "secret.bin";
  Example example_ = make_example();
  Provenance made_ =
      provenance(to_json(run_identity(example_.plan, example_.spec, "cpu", {{"bfloat16", "avx2"}}, "")), "one plan");
};

constexpr const char* kInside = "expected its data inside the file, contiguous";

TEST_F(Outside, DataOfTheTablesIsRefusedByEveryReader) {
  move_out("/sched/units");
  for (const std::string& error : {status(), resume(), reuse()})
    EXPECT_THAT(error, testing::AllOf(HasSubstr("/sched/units"), HasSubstr(kInside)));
}

TEST_F(Outside, DataThatOnlyARunTouchesIsRefusedBeforeItWrites) {
  const std::string rows = "/models/tiny/runs/refusal/letter_logprob";
  move_out(rows);
  EXPECT_THAT(resume(), testing::AllOf(HasSubstr(rows), HasSubstr(kInside)));
}

TEST_F(Outside, DataIsNeverWrittenTo) {
  const std::string rows = "/models/tiny/vectors/refusal/scale", before(24, 'x');
  std::ofstream(secret_) << before;
  move_out(rows);
  {
    const Handle file = open();
    Slabs slabs(Doing(path_), file.id(), H5P_DEFAULT);
    const std::vector<double> values(3, 1.0);
    EXPECT_THAT(error_of([&] { slabs.write(rows, ElementType::F64, 0, 3, values.data(), 3); }), HasSubstr(kInside));
  }
  std::string after;
  std::getline(std::ifstream(secret_), after);
  EXPECT_EQ(after, before);
}

TEST_F(Outside, AFailuresSentenceIsRefusedToo) {
  {
    const Handle file = open();
    const UnitRecord record{UnitState::Failed, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    Slabs(Doing(path_), file.id(), H5P_DEFAULT).write("/sched/units", ElementType::UnitRecord, 3, 1, &record, 1);
  }
  move_out("/sched/message");
  EXPECT_THAT(status(), testing::AllOf(HasSubstr("/sched/message"), HasSubstr(kInside)));
}

constexpr const char* kLink = "expected an object of the file itself, found a link to another file";

TEST_F(Outside, ALinkedGroupIsRefusedByEveryReader) {
  link_out("/sched");
  for (const std::string& error : {status(), resume(), reuse()})
    EXPECT_THAT(error, testing::AllOf(testing::StartsWith(path_), HasSubstr("/sched/"), HasSubstr(kLink)));
}

TEST_F(Outside, ALinkedDatasetIsRefusedByEveryReader) {
  link_out("/sched/units");
  for (const std::string& error : {status(), resume(), reuse()})
    EXPECT_THAT(error, testing::AllOf(HasSubstr("/sched/units"), HasSubstr(kLink)));
}

TEST_F(Outside, ALinkBehindASoftLinkIsRefusedByEveryReader) {
  link_out("/sched", true);
  for (const std::string& error : {status(), resume(), reuse()}) EXPECT_THAT(error, HasSubstr(kLink));
}

TEST_F(Outside, ALinkedModelIsRefusedBeforeARunWritesToIt) {
  link_out("/models/tiny");
  EXPECT_THAT(resume(), HasSubstr(kLink));
  EXPECT_THAT(status(), HasSubstr(kLink));
  EXPECT_THAT(error_of([&] { stored_choices(path_); }), HasSubstr(kLink));
}

TEST_F(Outside, ALinkedDatasetIsNeverWrittenTo) {
  const std::string rows = "/models/tiny/vectors/refusal/scale";
  link_out(rows);
  const Handle file = open();
  Slabs slabs(Doing(path_), file.id(), H5P_DEFAULT);
  const std::vector<double> values(3, 1.0);
  EXPECT_THAT(error_of([&] { slabs.write(rows, ElementType::F64, 0, 3, values.data(), 3); }), HasSubstr(kLink));
}

}  // namespace
}  // namespace steergrid::store
