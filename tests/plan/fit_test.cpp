// What fits where, for Llama 2's shapes on the memory sizes people have.
#include "plan/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace steergrid {
namespace {

using testing::HasSubstr;

constexpr ModelShape kLlama7B{32, 4096, 32, 32, 128, 11008, 32000, false};
constexpr ModelShape kLlama13B{40, 5120, 40, 40, 128, 13824, 32000, false};
constexpr ModelShape kLlama70B{80, 8192, 64, 8, 128, 28672, 32000, false};
constexpr std::int64_t kGB = 1'000'000'000;

ModelFacts facts_of(const ModelShape& shape) { return {.shape = shape, .dtype = DType::BFloat16, .identity = {}}; }

/// As on a GPU: activations of the model's dtype, files read into host memory.
MemoryOptions on_gpu() {
  MemoryOptions options;
  options.rows = 16384;
  options.chunk_rows = 8192;
  options.logits = 8 << 20;
  options.widens_float16 = options.wide_activations = options.reads_into_same_memory = false;
  options.base_bytes = kGB;
  return options;
}

std::optional<Fit> fit(const ModelShape& shape, std::int64_t memory, int gpus, WeightsIn where = WeightsIn::Auto) {
  return smallest_fit(facts_of(shape), on_gpu(), where, {memory, gpus});
}

struct Case {
  const char* name;
  ModelShape shape;
  std::int64_t gigabytes;
  int gpus, degree;
  bool streamed;
};

class SmallestFit : public testing::TestWithParam<Case> {};

TEST_P(SmallestFit, IsTheSmallestDegreeThatHoldsTheWeights) {
  const Case& c = GetParam();
  const auto found = fit(c.shape, c.gigabytes * kGB, c.gpus);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->degree, c.degree);
  EXPECT_EQ(found->streamed, c.streamed);
  EXPECT_LE(found->memory.total(), usable(c.gigabytes * kGB));
}

INSTANTIATE_TEST_SUITE_P(Llama2, SmallestFit,
                         testing::Values(Case{"a_7B_on_one_80GB", kLlama7B, 80, 1, 1, false},
                                         Case{"a_7B_on_eight_80GB", kLlama7B, 80, 8, 1, false},
                                         Case{"a_13B_on_one_16GB", kLlama13B, 16, 1, 1, true},
                                         Case{"a_13B_on_two_16GB", kLlama13B, 16, 2, 2, false},
                                         Case{"a_70B_on_one_80GB", kLlama70B, 80, 1, 1, true},
                                         Case{"a_70B_on_eight_80GB", kLlama70B, 80, 8, 2, false},
                                         Case{"a_70B_on_eight_40GB", kLlama70B, 40, 8, 4, false},
                                         Case{"a_70B_on_eight_24GB", kLlama70B, 24, 8, 8, false},
                                         Case{"a_70B_on_eight_16GB", kLlama70B, 16, 8, 1, true}),
                         [](const auto& test) { return std::string(test.param.name + 2); });

TEST(Fit, ATeamThatStreamsTakesAsManyRowsAsItsMemoryHolds) {
  const std::int64_t budget = usable(80 * kGB);
  const Fit found = fit_of(facts_of(kLlama70B), on_gpu(), WeightsIn::Auto, 1, budget);
  ASSERT_TRUE(found.streamed && found.fits);
  EXPECT_GT(found.rows, on_gpu().rows);
  MemoryOptions more = on_gpu();
  more.streamed = true;
  more.rows = found.rows;
  EXPECT_LE(memory_of(facts_of(kLlama70B), more).total(), budget);
  more.rows += 2048;
  EXPECT_GT(memory_of(facts_of(kLlama70B), more).total(), budget);
}

TEST(Fit, TakesASmallerChunkWhereTheWeightsThenStay) {
  const ModelFacts facts = facts_of(kLlama7B);
  MemoryOptions smallest = on_gpu();
  smallest.chunk_rows = 1024;
  const std::int64_t least = memory_of(facts, smallest).total(), most = memory_of(facts, on_gpu()).total();
  EXPECT_EQ(fit_of(facts, on_gpu(), WeightsIn::Auto, 1, most).chunk_rows, 8192);
  for (const std::int64_t budget : {most - 1, least}) {
    const Fit found = fit_of(facts, on_gpu(), WeightsIn::Auto, 1, budget);
    EXPECT_TRUE(found.fits && !found.streamed);
    EXPECT_EQ(found.chunk_rows, budget == least ? 1024 : 4096);
    EXPECT_LE(found.memory.total(), budget);
  }
  EXPECT_TRUE(fit_of(facts, on_gpu(), WeightsIn::Auto, 1, least - 1).streamed);
}

TEST(Fit, AStreamsChunkIsNoLargerThanTheRowsThatItLeavesRoomFor) {
  const ModelFacts facts = facts_of(kLlama70B);
  MemoryOptions options = on_gpu();
  options.streamed = true;
  options.rows = 1024;
  const std::int64_t with_8192 = memory_of(facts, options).total();
  options.chunk_rows = 1024;
  const std::int64_t least = memory_of(facts, options).total();
  for (std::int64_t budget = least; budget < with_8192 + 4 * kGB; budget += kGB / 4) {
    const Fit found = fit_of(facts, on_gpu(), WeightsIn::Stream, 1, budget);
    ASSERT_TRUE(found.fits);
    EXPECT_LE(found.memory.total(), budget);
    EXPECT_TRUE(found.chunk_rows <= found.rows || found.chunk_rows == 1024) << budget;
  }
  EXPECT_EQ(fit_of(facts, on_gpu(), WeightsIn::Stream, 1, least).chunk_rows, 1024);
  EXPECT_LT(fit_of(facts, on_gpu(), WeightsIn::Stream, 1, with_8192).chunk_rows, 8192);
  EXPECT_FALSE(fit_of(facts, on_gpu(), WeightsIn::Stream, 1, least - 1).fits);
}

TEST(Fit, DoesWhatTheSpecSays) {
  EXPECT_TRUE(fit(kLlama7B, 80 * kGB, 1, WeightsIn::Stream)->streamed);
  EXPECT_FALSE(fit(kLlama70B, 80 * kGB, 1, WeightsIn::Memory));
  EXPECT_EQ(fit(kLlama70B, 80 * kGB, 4, WeightsIn::Memory)->degree, 2);
}

TEST(Fit, FindsNothingWhereNotEvenTwoBlocksFit) { EXPECT_FALSE(fit(kLlama70B, 2 * kGB, 8)); }

TEST(Fit, LeavesOutDegreesThatDoNotDivideTheHeads) {
  ModelShape odd = kLlama7B;
  odd.n_heads = odd.n_kv_heads = 33;
  EXPECT_FALSE(fit_of(facts_of(odd), on_gpu(), WeightsIn::Auto, 2, 80 * kGB).divides);
  EXPECT_FALSE(fit(odd, 10 * kGB, 8, WeightsIn::Memory));
}

TEST(PrintedFits, ShowEveryDegreeAndTheChoice) {
  const std::string text = print_fits(facts_of(kLlama70B), on_gpu(), WeightsIn::Auto, {80 * kGB, 8});
  for (const char* part : {"TP 1", "streamed, 8 teams", "TP 2", "resident, 4 teams", "TP 4", "resident, 2 teams",
                           "TP 8", "resident, 1 team", "tensor_parallel: auto means 2, weights resident"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(PrintedFits, SayWhereMoreGpusAreNeeded) {
  EXPECT_THAT(print_fits(facts_of(kLlama70B), on_gpu(), WeightsIn::Auto, {80 * kGB, 1}),
              HasSubstr("resident, needs 2 GPUs"));
}

}  // namespace
}  // namespace steergrid
