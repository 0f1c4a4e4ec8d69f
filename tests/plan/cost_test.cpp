// Costs against the formulas of CAA on Llama 2, and against counting by hand.
#include "plan/cost.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "made_up_sweep.h"

namespace steergrid {
namespace {

constexpr ModelShape kLlama7B{32, 4096, 32, 32, 128, 11008, 32000, false};
constexpr ModelShape kLlama13B{40, 5120, 40, 40, 128, 13824, 32000, false};
constexpr ModelShape kLlama70B{80, 8192, 64, 8, 128, 28672, 32000, false};

struct Grid {
  Plan plan;
  TokenCounts tokens;
};

/// 50 questions of `t` tokens, 2 of them steered, all layers, 8 coefficients and 0; and one pair.
Grid refusal_grid(const ModelShape& shape, int t) {
  SweepSpec spec = made_up_sweep();
  spec.models.resize(1);
  spec.vectors.resize(1);
  spec.runs.resize(1);
  spec.method.over = {0};
  spec.runs[0].questions = made_up_items("q", 50);
  spec.coefficients.values = {-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2};
  ModelFacts facts;
  facts.shape = shape;
  Grid grid{make_plan(spec, {facts}), {}};
  grid.tokens.vectors.resize(1);
  grid.tokens.runs.resize(1);
  for (int q = 0; q < 50; ++q) grid.tokens.runs[0].add(t, 2);
  return grid;
}

TEST(Cost, IsWhatTheFormulasSayForLlama2) {
  const struct {
    ModelShape shape;
    double naive, ours;  // PFLOP
  } cases[] = {{kLlama7B, 28.07, 0.262}, {kLlama13B, 68.7, 0.594}, {kLlama70B, 741, 5.38}};
  for (const auto& c : cases) {
    const Grid grid = refusal_grid(c.shape, 150);
    const WorkCost run = cost_of(grid.plan, grid.plan.models[0], grid.tokens).runs[0];
    EXPECT_NEAR(run.naive_flops / 1e15, c.naive, 0.005 * c.naive);
    EXPECT_NEAR(run.flops / 1e15, c.ours, 0.005 * c.ours);
  }
}

TEST(Cost, FallsByTheRatioOfTheFormula) {
  // 56, 109 and 159 where the naive loop computes the head at every position, as Hugging Face's does; ours does not.
  for (const auto& [t, expected] : {std::pair{60, 55.0}, {150, 107.0}, {300, 155.8}}) {
    const Grid grid = refusal_grid(kLlama7B, t);
    const WorkCost run = cost_of(grid.plan, grid.plan.models[0], grid.tokens).runs[0];
    EXPECT_NEAR(run.naive_flops / run.flops, expected, 0.02 * expected) << t;
  }
}

TEST(Cost, CountsCellsUnitsAndTokens) {
  const Grid grid = refusal_grid(kLlama7B, 150);
  const ModelCost cost = cost_of(grid.plan, grid.plan.models[0], grid.tokens);
  EXPECT_EQ(cost.cells, 32 * 9);
  EXPECT_EQ(cost.units, static_cast<std::int64_t>(grid.plan.units.size()));
  EXPECT_EQ(cost.runs[0].tokens, 50 * 150);
  EXPECT_EQ(cost.runs[0].naive_tokens, 50 * 150 * 32 * 9);
  EXPECT_EQ(cost.runs[0].fork_rows, 50 * 8 * 32 * 2);
}

TEST(Cost, AddsTheBaselineToTheNaiveLoopWhereZeroIsNotListed) {
  SweepSpec spec = made_up_sweep();
  spec.coefficients.values = {1};
  const Plan plan = make_plan(spec, made_up_facts());
  TokenCounts tokens{std::vector<PairTokenCounts>(3), std::vector<QuestionTokenCounts>(2)};
  tokens.runs[0].add(10, 2);
  EXPECT_EQ(cost_of(plan, plan.models[0], tokens).runs[0].naive_tokens, (4 + 1) * 10);
}

TEST(Cost, OfAForkEverywhereIsThatOfThePromptAgain) {
  // positions: all, one layer: a fork after block 0 runs all T rows through the other blocks.
  SweepSpec spec = made_up_sweep();
  spec.layers = made_up_layers("0");
  spec.coefficients.values = {1};
  const Plan plan = make_plan(spec, made_up_facts());
  TokenCounts tokens{std::vector<PairTokenCounts>(3), std::vector<QuestionTokenCounts>(2)};
  tokens.runs[0].add(10, 10);
  const ModelShape& s = plan.models[0].facts.shape;
  const double layer = 2.0 * static_cast<double>(s.layer_matrix_parameters()) * 10 + 2.0 * 64 * 100;
  const double head = 2.0 * 64 * 128;
  EXPECT_DOUBLE_EQ(cost_of(plan, plan.models[0], tokens).runs[0].flops, 4 * layer + 3 * layer + 2 * head);
}

TEST(Cost, OfAPairIsHalfOfTwoForwards) {
  PairTokenCounts t;
  t.add(100, 1, 1);
  EXPECT_EQ(t.full, 202);
  EXPECT_EQ(t.rows, 102);
  EXPECT_EQ(t.full_squared, 2 * 101 * 101);
  EXPECT_EQ(t.row_squares, 2 * 101 * 101 - 100 * 100);
  EXPECT_EQ(t.longest, 101);
  SweepSpec spec = made_up_sweep();
  const Plan plan = make_plan(spec, made_up_facts());
  TokenCounts tokens{{t, {}, {}}, std::vector<QuestionTokenCounts>(2)};
  const WorkCost work = cost_of(plan, plan.models[0], tokens).vectors[0];
  EXPECT_NEAR(work.naive_flops / work.flops, 2, 0.03);
}

TEST(Cost, RefusesCountsOfAnotherPlan) {
  const Plan plan = make_plan(made_up_sweep(), made_up_facts());
  EXPECT_THROW(cost_of(plan, plan.models[0], {}), Error);
}

TEST(Memory, HoldsALlamasWeights) {
  ModelFacts facts;
  facts.shape = kLlama7B;
  facts.dtype = DType::BFloat16;
  MemoryOptions options;
  EXPECT_NEAR(static_cast<double>(memory_of(facts, options).weights), 6.738e9 * 2, 0.01e9);
  options.widens_bfloat16 = true;
  EXPECT_NEAR(static_cast<double>(memory_of(facts, options).weights), 6.738e9 * 4, 0.01e9);
  facts.dtype = DType::Float16;
  options = {};
  EXPECT_NEAR(static_cast<double>(memory_of(facts, options).weights), 6.738e9 * 4, 0.01e9);
  options.widens_float16 = false;
  EXPECT_NEAR(static_cast<double>(memory_of(facts, options).weights), 6.738e9 * 2, 0.01e9);
}

TEST(Memory, OfAShardIsItsShare) {
  ModelFacts facts;
  facts.shape = kLlama70B;
  facts.dtype = DType::BFloat16;
  const std::int64_t whole = memory_of(facts, {}).weights;
  facts.tensor_parallel = 8;
  EXPECT_NEAR(static_cast<double>(memory_of(facts, {}).weights), static_cast<double>(whole) / 8, 1e7);
}

TEST(Memory, CountsTheHostBuffersOfReadsApartWhereTheDeviceHasItsOwnMemory) {
  ModelFacts facts;
  facts.shape = kLlama70B;
  facts.dtype = DType::BFloat16;
  facts.tensor_parallel = 8;
  MemoryOptions options;
  options.streamed = true;
  options.reads_into_same_memory = false;
  const MemoryModel m = memory_of(facts, options);
  EXPECT_EQ(m.host_buffers, 2ll * 8192 * 28672 * 2);  // down_proj comes whole
  EXPECT_EQ(m.reading, 0);
  options.reads_into_same_memory = true;
  EXPECT_EQ(memory_of(facts, options).reading, m.host_buffers);
}

TEST(Memory, CountsRowsAndChunks) {
  ModelFacts facts;
  facts.shape = kLlama7B;
  MemoryOptions options;
  options.rows = 1000;
  options.chunk_rows = 100;
  options.base_bytes = 7;
  const MemoryModel m = memory_of(facts, options);
  EXPECT_EQ(m.residual, 1000ll * 4096 * 4);
  EXPECT_EQ(m.keys_values, 1000ll * 2 * 4096 * 4);
  EXPECT_EQ(m.chunk_buffers, 100ll * 4 * (2 * 4096 + 2 * 4096 + 2 * 11008));
  EXPECT_EQ(m.base, 7);
  EXPECT_EQ(m.total(), m.weights + m.residual + m.keys_values + m.chunk_buffers + m.reading + 7);
  facts.tensor_parallel = 2;
  EXPECT_EQ(memory_of(facts, options).chunk_buffers, 100ll * 4 * (2 * 4096 + 4096 + 11008 + 2 * 4096));
}

TEST(Memory, KnowsTheRowsOfTheLargestUnit) {
  const Plan plan = make_plan(made_up_sweep(), made_up_facts());
  TokenCounts tokens{std::vector<PairTokenCounts>(3), std::vector<QuestionTokenCounts>(2)};
  for (int q = 0; q < 5; ++q) tokens.runs[0].add(10 + q, 2);
  // A unit of 2 questions of at most 14 tokens, each with forks of 2 rows for 4 layers and 2 coefficients
  // and for the control.
  EXPECT_EQ(most_rows(plan, plan.models[0], tokens), 2 * (14 + (4 * 2 + 1) * 2));
}

}  // namespace
}  // namespace steergrid
