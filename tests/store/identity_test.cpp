// An existing output is taken up again only by its own plan and, unless allowed, on its own kind of machine.
#include "store/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "store/create.h"
#include "store/hdf5.h"
#include "tests/store/example_plan.h"
#include "tests/store/scratch.h"

namespace steergrid::store {
namespace {

using testing::HasSubstr;

Provenance on(const Example& e, const char* isa) {
  return provenance(to_json(run_identity(e.plan, e.spec, "cpu", {{"bfloat16", isa}}, "onednn 2.7")), e.plan_text);
}

class Output : public testing::Test {
 protected:
  void SetUp() override { create_result_file(path_, example_.plan, example_.spec, on(example_, "avx2")); }
  bool check(const Example& e, const char* isa, bool allow_mixed = false) {
    return check_output(path_, e.plan, e.spec, on(e, isa), allow_mixed);
  }
  Scratch scratch_;
  std::string path_ = scratch_ / "r.h5";
  Example example_ = make_example();
};

TEST_F(Output, IsTakenUpByTheSamePlanOnTheSameMachine) { EXPECT_FALSE(check(example_, "avx2")); }

TEST_F(Output, OfAnotherPlanIsRefusedWithTheLinesThatDiffer) {
  const std::string error = error_of([&] { check(make_example({.last_coefficient = 2}), "avx2"); });
  EXPECT_THAT(error, HasSubstr("another plan"));
  EXPECT_THAT(error, HasSubstr("coefficients of refusal: was -1, 0, 1.500000, is now -1, 0, 2.000000"));
  EXPECT_THAT(error, testing::Not(HasSubstr("layers of tiny")));
}

TEST_F(Output, OfAnotherMachineIsRefusedWithWhatDiffers) {
  const std::string error = error_of([&] { check(example_, "avx512"); });
  EXPECT_THAT(error, HasSubstr("isa.bfloat16: file \"avx2\", this run \"avx512\""));
  EXPECT_THAT(error, HasSubstr("--allow-mixed"));
}

TEST_F(Output, OfAnotherMachineIsTakenUpAsMixedWhereAllowed) { EXPECT_TRUE(check(example_, "avx512", true)); }

TEST_F(Output, WhoseArraysAreOfOtherSizesIsRefusedByName) {
  Example other = make_example({.questions = 8});
  other.plan.fingerprint = example_.plan.fingerprint;
  EXPECT_THAT(error_of([&] { check(other, "avx2"); }), HasSubstr("expected other lengths of its axes"));
}

TEST_F(Output, RemembersWhatAutoMeant) {
  const auto choices = stored_choices(path_);
  ASSERT_TRUE(choices);
  ASSERT_TRUE(choices->contains("small"));
  EXPECT_EQ(choices->at("small").dtype, DType::BFloat16);
  EXPECT_EQ(choices->at("small").tensor_parallel, 1);
}

TEST_F(Output, ThatDoesNotExistYetRemembersNothing) { EXPECT_FALSE(stored_choices(scratch_ / "none.h5")); }

TEST_F(Output, ThatNoFileSystemTakesIsBadInput) {
  EXPECT_THAT(error_of([&] { stored_choices(scratch_ / std::string(300, 'x')); }), HasSubstr("too long"));
}

TEST_F(Output, OfAnotherFormatVersionIsRefused) {
  {
    const Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    const Handle attribute(H5Aopen(file.id(), "format_version", H5P_DEFAULT), H5Aclose);
    const std::int64_t future = 99;
    ASSERT_GE(H5Awrite(attribute.id(), H5T_NATIVE_INT64, &future), 0);
  }
  EXPECT_THAT(error_of([&] { check(example_, "avx2"); }), HasSubstr("expected format version 2, found 99"));
}

TEST_F(Output, ThatIsNoResultFileIsRefused) {
  std::ofstream(scratch_ / "text.h5") << "Dear reader,";
  EXPECT_THAT(error_of([&] { stored_choices(scratch_ / "text.h5"); }), HasSubstr("another kind of file"));
}

TEST(RunIdentity, DifferencesNameTheKeyAndBothValues) {
  const auto lines = identity_differences(R"({"backend":"cpu","models":{"m":{"dtype":"float32"}}})",
                                          R"({"backend":"cuda","models":{"m":{"dtype":"float32"}}})");
  EXPECT_THAT(lines, testing::ElementsAre("backend: file \"cpu\", this run \"cuda\""));
}

TEST(RunIdentity, OfAGrownSweepFitsWhereTheDtypesOfBothComputeAlike) {
  const char* old = R"({"backend":"cpu","isa":{"bfloat16":"amx"},"gemm":"g","models":{"m":{}}})";
  const char* grown = R"({"backend":"cpu","isa":{"bfloat16":"amx","float32":"avx2"},"gemm":"g","models":{"n":{}}})";
  const char* other = R"({"backend":"cpu","isa":{"bfloat16":"avx2","float32":"avx2"},"gemm":"g","models":{}})";
  EXPECT_THAT(machine_differences(old, grown), testing::IsEmpty());
  EXPECT_THAT(machine_differences(grown, old), testing::IsEmpty());
  EXPECT_THAT(machine_differences(old, other), testing::ElementsAre("isa.bfloat16: file \"amx\", this run \"avx2\""));
  EXPECT_THAT(identity_differences(old, grown), testing::Contains("isa.float32: file null, this run \"avx2\""))
      << "to be resumed, all must be the same";
}

TEST(RunIdentity, WithoutInstructionSetsByDtypeFitsNothing) {
  const char* ours = R"({"backend":"cpu","isa":{"bfloat16":"amx"},"gemm":"g"})";
  for (const char* strange : {R"({"backend":"cpu","isa":"amx","gemm":"g"})", R"({"backend":"cpu","gemm":"g"})",
                              R"({"backend":"cpu","isa":["amx"],"gemm":"g"})"})
    EXPECT_THAT(machine_differences(strange, ours), testing::ElementsAre(testing::StartsWith("isa: file "))) << strange;
  EXPECT_THAT(machine_differences(R"({"isa":{"bfloat16":{"x":1}}})", ours), testing::SizeIs(3));
}

TEST(RunIdentity, ThatIsNoJsonIsAnError) {
  EXPECT_THAT(error_of([] { identity_differences("]", "{}"); }), HasSubstr("expected a JSON object"));
}

}  // namespace
}  // namespace steergrid::store
