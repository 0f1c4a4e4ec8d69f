// What a sweep demands, taken from its plan.
#include "batch/demand.h"

#include <gtest/gtest.h>

#include "../plan/made_up_sweep.h"

namespace steergrid {
namespace {

/// Every pair and question as long as every other.
TokenCounts even_counts(const Plan& plan, const ModelPlan& model) {
  TokenCounts counts;
  for (const VectorPlan& v : model.vectors) {
    counts.vectors.emplace_back();
    for (int i = 0; i < v.items; ++i) counts.vectors.back().add(20, 2, 2);
  }
  for (const RunPlan& r : model.runs) {
    counts.runs.emplace_back();
    for (int i = 0; i < r.items; ++i) counts.runs.back().add(20, 2);
  }
  EXPECT_FALSE(plan.units.empty());
  return counts;
}

SweepDemand made_up_demand() {
  const SweepSpec spec = made_up_sweep();
  const Plan plan = make_plan(spec, made_up_facts());
  std::vector<ModelCost> costs;
  std::vector<MemoryModel> memory;
  for (const ModelPlan& m : plan.models) {
    costs.push_back(cost_of(plan, m, even_counts(plan, m)));
    memory.push_back(memory_of(m.facts, {}));
  }
  return demand_of(spec, plan, costs, memory, {false, true});
}

TEST(Demand, CountsTheUnitsThatTeamsRunAndNotTheCoordinators) {
  const SweepDemand demand = made_up_demand();
  ASSERT_EQ(demand.models.size(), 2u);
  EXPECT_EQ(demand.models[0].name, "small");
  EXPECT_EQ(demand.models[0].units, 6 + 5);  // blocks of 4: 3 + 2 + 1; blocks of 2: 3 + 2
}

TEST(Demand, FindsTheLongestUnitBetweenTheMeanAndTheWhole) {
  for (const ModelDemand& m : made_up_demand().models) {
    EXPECT_GT(m.longest_unit, m.flops / m.units);
    EXPECT_LT(m.longest_unit, m.flops);
  }
}

TEST(Demand, ReadsStreamedWeightsToExtractAndToEvaluate) {
  const SweepDemand demand = made_up_demand();
  EXPECT_FALSE(demand.models[0].streamed);
  EXPECT_TRUE(demand.models[1].streamed);
}

}  // namespace
}  // namespace steergrid
