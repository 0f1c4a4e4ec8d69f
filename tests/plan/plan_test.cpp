#include "plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "made_up_sweep.h"

namespace steergrid {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<int> sources(const ModelPlan& model) {
  std::vector<int> out;
  for (const VectorPlan& v : model.vectors) out.push_back(v.source);
  return out;
}

std::vector<int> runs(const ModelPlan& model) {
  std::vector<int> out;
  for (const RunPlan& r : model.runs) out.push_back(r.run);
  return out;
}

std::string refusal(const SweepSpec& spec, const std::vector<ModelFacts>& facts) {
  try {
    make_plan(spec, facts);
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Plan, CutsItemsIntoBlocksOfTheUnitSize) {
  const Plan plan = make_plan(made_up_sweep(), made_up_facts());
  const VectorPlan& refusal = plan.models[0].vectors[0];
  ASSERT_EQ(refusal.blocks.size(), 3u);  // 10 pairs in fours
  EXPECT_THAT(refusal.blocks, ElementsAre(0, 1, 2));
  EXPECT_EQ(plan.units[2].first, 8);
  EXPECT_EQ(plan.units[2].count, 2);
  EXPECT_EQ(plan.models[0].runs[0].blocks.size(), 3u);  // 5 questions in twos
  EXPECT_EQ(plan.models[0].runs[1].blocks.size(), 2u);
}

TEST(Plan, OrdersUnitsModelByModelExtractThenVectorsThenEvaluate) {
  const Plan plan = make_plan(made_up_sweep(), made_up_facts());
  // (3 + 2 + 1) blocks of pairs, 3 sources, (3 + 2) blocks of questions, for each of two models
  ASSERT_EQ(plan.units.size(), 28u);
  auto last = std::pair{-1, UnitKind::Evaluate};
  for (const Unit& u : plan.units) {
    const auto place = std::pair{u.model, u.kind};
    EXPECT_LE(last, place);
    last = std::max(last, place);
  }
  EXPECT_EQ(plan.models[0].vectors[0].unit, 6);
  EXPECT_EQ(plan.units[6].kind, UnitKind::Vectors);
  EXPECT_EQ(plan.units[6].count, 10);
  EXPECT_EQ(plan.models[1].vectors[0].blocks[0], 14);
}

TEST(Plan, PointsFromEachUnitToItsTargetAndBack) {
  const Plan plan = make_plan(made_up_sweep(), made_up_facts());
  for (std::size_t id = 0; id < plan.units.size(); ++id) {
    const Unit& u = plan.units[id];
    const ModelPlan& model = plan.models[static_cast<std::size_t>(u.model)];
    const auto target = static_cast<std::size_t>(u.target);
    if (u.kind == UnitKind::Vectors) {
      EXPECT_EQ(model.vectors[target].unit, static_cast<int>(id));
    } else {
      const auto& blocks = u.kind == UnitKind::Extract ? model.vectors[target].blocks : model.runs[target].blocks;
      EXPECT_EQ(std::count(blocks.begin(), blocks.end(), static_cast<int>(id)), 1);
    }
  }
}

TEST(Plan, ResolvesLayersForEachModel) {
  SweepSpec spec = made_up_sweep();
  spec.layers = made_up_layers("50%-75%");
  spec.models[1].layers = made_up_layers("8-9");
  spec.runs[1].layers = made_up_layers("0-3/3");
  const Plan plan = make_plan(spec, made_up_facts());
  EXPECT_THAT(plan.models[0].runs[0].layers, ElementsAre(1, 2));
  EXPECT_THAT(plan.models[1].runs[0].layers, ElementsAre(8, 9));
  EXPECT_THAT(plan.models[0].runs[1].layers, ElementsAre(0, 3));
  EXPECT_THAT(plan.models[1].runs[1].layers, ElementsAre(0, 3));
}

TEST(Plan, LetsRunsOverrideModelsAndModelsTheTopLevelsCoefficients) {
  SweepSpec spec = made_up_sweep();
  spec.models[1].coefficients = Coefficients{{2}, CoefficientUnit::ResidualNorm};
  spec.runs[1].coefficients = Coefficients{{5, 6}, CoefficientUnit::Multiplier};
  const Plan plan = make_plan(spec, made_up_facts());
  EXPECT_THAT(plan.models[0].runs[0].coefficients.values, ElementsAre(-1, 0, 1));
  EXPECT_THAT(plan.models[1].runs[0].coefficients.values, ElementsAre(2));
  EXPECT_EQ(plan.models[1].runs[0].coefficients.unit, CoefficientUnit::ResidualNorm);
  EXPECT_THAT(plan.models[1].runs[1].coefficients.values, ElementsAre(5, 6));
}

TEST(Plan, ExtractsEveryBehaviorEvenWithoutQuestions) {
  SweepSpec spec = made_up_sweep();
  spec.method = {Method::Normalize::None, {}};
  const Plan plan = make_plan(spec, made_up_facts());
  EXPECT_THAT(sources(plan.models[0]), ElementsAre(0, 1, 2));
  EXPECT_THAT(plan.models[0].normalize_over, IsEmpty());
}

TEST(Plan, ExtractsForAModelWithItsOwnRunsOnlyWhatTheseNeed) {
  SweepSpec spec = made_up_sweep();
  spec.method = {Method::Normalize::None, {}};
  spec.models[0].runs = {"hope"};
  const Plan plan = make_plan(spec, made_up_facts());
  EXPECT_THAT(sources(plan.models[0]), ElementsAre(2));
  EXPECT_THAT(runs(plan.models[0]), ElementsAre(1));
  EXPECT_EQ(plan.models[0].runs[0].vectors, 0);  // an index into the model's own vectors
  EXPECT_THAT(sources(plan.models[1]), ElementsAre(0, 1, 2));
}

TEST(Plan, ExtractsWhatTheNormalizationNeedsToo) {
  SweepSpec spec = made_up_sweep();
  spec.method.over = {1};
  spec.models[0].runs = {"hope"};
  const Plan plan = make_plan(spec, made_up_facts());
  EXPECT_THAT(sources(plan.models[0]), ElementsAre(1, 2));
  EXPECT_THAT(plan.models[0].normalize_over, ElementsAre(0));
  EXPECT_THAT(plan.models[1].normalize_over, ElementsAre(1));
}

TEST(Plan, NormalizesOverEverythingWhereTheSetIsLeftOpen) {
  SweepSpec spec = made_up_sweep();
  spec.method.over.clear();
  EXPECT_THAT(make_plan(spec, made_up_facts()).models[0].normalize_over, ElementsAre(0, 1, 2));
}

TEST(Plan, CollectsTheLettersOfARun) {
  SweepSpec spec = made_up_sweep();
  spec.runs[1].questions.items[2].matching = 'E';
  const Plan plan = make_plan(spec, made_up_facts());
  EXPECT_THAT(plan.models[0].runs[0].letters, ElementsAre('A', 'B'));
  EXPECT_THAT(plan.models[0].runs[1].letters, ElementsAre('A', 'B', 'E'));
}

TEST(Plan, TellsAllThatDoesNotFitTheModelsAtOnce) {
  SweepSpec spec = made_up_sweep();
  spec.layers = made_up_layers("3-6");
  spec.models[1].layers = made_up_layers("10", 12);
  std::vector<ModelFacts> facts = made_up_facts();
  facts[0].tensor_parallel = 8;
  const std::string text = refusal(spec, facts);
  EXPECT_EQ(text,
            "sweep.yaml:5:22: models.tensor_parallel: expected a degree that divides the model's 8 heads, 4 key/value "
            "heads and 96 feed-forward columns, found 8 (model 'small')\n"
            "sweep.yaml:12:9: layers: expected layers of 0-9 (the model has 10), found 10 in [10] (model 'large')\n"
            "sweep.yaml:20:9: layers: expected layers of 0-3 (the model has 4), found 4 in 3-6 (model 'small')");
}

TEST(Plan, RefusesRunsWithoutCoefficients) {
  SweepSpec spec = made_up_sweep();
  spec.coefficients.values.clear();
  EXPECT_THAT(refusal(spec, made_up_facts()), HasSubstr("expected coefficients for the run 'refusal', found none"));
}

TEST(Plan, RefusesEmptyDataSetsAndUnitSizesOfNothing) {
  SweepSpec spec = made_up_sweep();
  spec.units.pairs = 0;
  EXPECT_THAT(refusal(spec, made_up_facts()), HasSubstr("expected sizes of 1 or more"));
  spec = made_up_sweep();
  spec.runs[0].questions.items.clear();
  EXPECT_THAT(refusal(spec, made_up_facts()), HasSubstr("expected at least one question"));
  EXPECT_THAT(refusal(made_up_sweep(), {}), HasSubstr("facts about 2 models"));
}

TEST(Plan, GivesEveryUnitAnIdentityOfItsOwn) {
  const Plan plan = make_plan(made_up_sweep(), made_up_facts());
  std::set<std::uint64_t> contents;
  for (const Unit& u : plan.units) contents.insert(u.content);
  EXPECT_EQ(contents.size(), plan.units.size());
  EXPECT_FALSE(contents.contains(0));
}

TEST(Plan, IsTheSameEveryTime) {
  const Plan a = make_plan(made_up_sweep(), made_up_facts());
  const Plan b = make_plan(made_up_sweep(), made_up_facts());
  EXPECT_EQ(a.fingerprint, b.fingerprint);
  for (std::size_t i = 0; i < a.units.size(); ++i) EXPECT_EQ(a.units[i].content, b.units[i].content);
}

}  // namespace
}  // namespace steergrid
