#include "plan/print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/error.h"
#include "made_up_sweep.h"

namespace steergrid {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string printed(std::optional<int> ranks, int degree = 1) {
  const SweepSpec spec = made_up_sweep();
  std::vector<ModelFacts> facts = made_up_facts();
  facts[1].tensor_parallel = degree;
  const Plan plan = make_plan(spec, facts);
  std::vector<PricedModel> priced;
  for (const ModelPlan& model : plan.models) {
    TokenCounts tokens{std::vector<PairTokenCounts>(3), std::vector<QuestionTokenCounts>(2)};
    for (PairTokenCounts& t : tokens.vectors) t.add(90, 1, 1);
    for (QuestionTokenCounts& t : tokens.runs) t.add(100, 2);
    priced.push_back({cost_of(plan, model, tokens), memory_of(model.facts, {})});
  }
  return print_plan(spec, plan, priced, ranks);
}

TEST(PrintedPlan, ShowsModelsSourcesRunsAndTheWhole) {
  const std::string text = printed({});
  for (const char* part : {"sweep made-up", "small", "large", "extract refusal", "extract myopia", "evaluate hope",
                           "memory a rank on CPUs: ", "in all: 84 cells, 28 units", "output /results/made-up.h5"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("teams")));
}

TEST(PrintedPlan, AlignsItsColumns) {
  std::istringstream lines(printed({}));
  std::size_t width = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_FALSE(line.ends_with(' '));
    if (line.find("FLOPs naive") != line.npos) width = line.size();
    if (line.starts_with("  extract") || line.starts_with("  evaluate") || line.starts_with("  all")) {
      EXPECT_EQ(line.size(), width) << line;
    }
  }
  EXPECT_GT(width, 0u);
  EXPECT_LT(width, 130u);
}

TEST(PrintedPlan, ShowsTheTeamsOfAWorld) {
  EXPECT_THAT(printed(10, 4), AllOf(HasSubstr("teams on 10 ranks: rank 0 coordinates"), HasSubstr("idle")));
  EXPECT_THAT(printed(1), HasSubstr("teams on 1 rank: the rank coordinates and computes"));
}

TEST(PrintedPlan, RefusesAWorldThatIsTooSmall) { EXPECT_THROW(printed(4, 4), Error); }

TEST(HumanNumbers, KeepThreeDigits) {
  EXPECT_EQ(human_flops(28.07e15), "28.1 PFLOP");
  EXPECT_EQ(human_flops(999), "999 FLOP");
  EXPECT_EQ(human_flops(999'700), "1.00 MFLOP");
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(human_bytes(std::int64_t{13} << 30), "13.0 GiB");
  EXPECT_EQ(human_count(99'999), "99999");
  EXPECT_EQ(human_count(1'234'567), "1.23 M");
}

}  // namespace
}  // namespace steergrid
