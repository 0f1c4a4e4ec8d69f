// Extract and evaluate units over a made-up model: the same bits however the work is cut, and the self-checks.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "made_up_model.h"
#include "made_up_tokenizer.h"
#include "steer/evaluate.h"
#include "steer/items.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

constexpr ModelShape kShape{.n_layers = 3,
                            .hidden = 48,
                            .n_heads = 6,
                            .n_kv_heads = 3,
                            .head_size = 8,
                            .feed_forward = 80,
                            .vocabulary = 352,
                            .tied_embeddings = false};

std::vector<AbItem> items(int count) {
  std::vector<AbItem> made;
  for (int i = 0; i < count; ++i) {
    AbItem item;
    item.question = "Would you do thing number " + std::to_string(i * 7) + "?\n\nChoices:\n (A) Yes\n (B) No";
    item.matching = i % 2 == 0 ? 'A' : 'B';
    item.other = i % 2 == 0 ? 'B' : 'A';
    item.matching_text = std::string("(") + item.matching + ")";
    item.other_text = std::string("(") + item.other + ")";
    made.push_back(item);
  }
  return made;
}

class Grid : public testing::TestWithParam<DType> {
 protected:
  Grid() {
    write_model(folder_.path(), kShape, GetParam(), 3);
    write_tokenizer(folder_.path());
    spec_.path = folder_.path();
    facts_.shape = kShape;
    facts_.dtype = GetParam();
    model_.emplace(load_model(spec_, facts_, make_cpu_backend(GetParam(), 1), team_));
    for (int l = 0; l < kShape.n_layers; ++l) {
      for (int d = 0; d < kShape.hidden; ++d) added_.vectors.push_back(0.3f * std::sin(static_cast<float>(l * 50 + d)));
      added_.unit.push_back(1.0);
    }
  }

  EvaluateResult run(const PassOptions& options, Positions positions = Positions::InstructionEnd) {
    const CellGrid grid{layers_, coefficients_, letters_, positions};
    return evaluate(*model_, items(5), grid, &added_, options);
  }

  TemporaryFolder folder_;
  ModelSpec spec_;
  ModelFacts facts_;
  SoloTeam team_;
  std::optional<LoadedModel> model_;
  AddedVectors added_;
  std::vector<int> layers_{0, 1, 2};
  std::vector<double> coefficients_{-2, 0, 0.5};
  std::vector<char> letters_{'A', 'B'};
};

void expect_same(const EvaluateResult& a, const EvaluateResult& b) {
  EXPECT_EQ(a.letter_logprob, b.letter_logprob);
  EXPECT_EQ(a.baseline_logprob, b.baseline_logprob);
  EXPECT_EQ(a.top_token, b.top_token);
  EXPECT_EQ(a.top_logprob, b.top_logprob);
  EXPECT_EQ(a.baseline_top_token, b.baseline_top_token);
}

TEST_P(Grid, GivesTheNaiveLoopsBitsWithForks) { expect_same(run({}), run({.naive = true})); }

TEST_P(Grid, GivesTheNaiveLoopsBitsWhenAllPositionsAreSteered) {
  expect_same(run({}, Positions::All), run({.naive = true}, Positions::All));
}

TEST_P(Grid, DoesNotSeeHowManyRowsShareAPass) {
  const EvaluateResult whole = run({});
  for (const std::int64_t rows : {1, 60, 97, 300}) expect_same(whole, run({.rows = rows}));
}

TEST_P(Grid, FillsCoefficientZeroWithTheBaseline) {
  const EvaluateResult r = run({});
  for (std::size_t q = 0; q < 5; ++q)
    for (std::size_t l = 0; l < 3; ++l)
      for (std::size_t a = 0; a < 2; ++a)
        EXPECT_EQ(r.letter_logprob[((q * 3 + l) * 3 + 1) * 2 + a], r.baseline_logprob[q * 2 + a]);
}

TEST_P(Grid, LeavesSteeredCellsEmptyWithoutVectors) {
  const CellGrid grid{layers_, coefficients_, letters_, Positions::InstructionEnd};
  const EvaluateResult r = evaluate(*model_, items(2), grid, nullptr, {});
  EXPECT_TRUE(std::isnan(r.letter_logprob[0]));
  EXPECT_TRUE(std::isfinite(r.letter_logprob[2]));  // coefficient 0
  EXPECT_TRUE(std::isfinite(r.baseline_logprob[0]));
}

TEST_P(Grid, RefusesARunThatSteeredNothing) {
  added_.vectors.assign(added_.vectors.size(), 0.0f);
  try {
    run({});
    FAIL() << "vectors of zeros steer nothing";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("nothing was steered"), std::string::npos) << e.what();
  }
}

TEST_P(Grid, ExtractsTheSameSumsHoweverThePairsAreCut) {
  const auto pairs = items(7);
  const ExtractResult whole = extract(*model_, pairs, true, {});
  for (const PassOptions& options : {PassOptions{.rows = 1}, PassOptions{.rows = 150}, PassOptions{.naive = true}}) {
    const ExtractResult cut = extract(*model_, pairs, true, options);
    EXPECT_EQ(whole.sums, cut.sums);
    EXPECT_EQ(whole.norm_sums, cut.norm_sums);
    EXPECT_EQ(whole.activations, cut.activations);
  }
}

/// Units of different runs: other items, letters, layers, coefficients and vectors, one without any.
TEST_P(Grid, AUnitHasTheSameBitsWhateverUnitsShareItsPass) {
  const auto questions = items(9);
  AddedVectors other = added_;
  for (float& x : other.vectors) x = 0.7f - x;
  const std::vector<int> one_layer{1};
  const std::vector<double> up{1.5, 0};
  const std::vector<char> backwards{'B', 'A'};
  const auto all = std::span(questions);
  const std::vector<EvaluateTask> tasks{
      {all.first(3), {layers_, coefficients_, letters_, Positions::InstructionEnd}, &added_},
      {all.subspan(3, 2), {one_layer, up, backwards, Positions::All}, &other},
      {all.subspan(5, 2), {layers_, coefficients_, letters_, Positions::InstructionEnd}, nullptr},
      {all.last(2), {layers_, coefficients_, letters_, Positions::InstructionEnd}, &added_}};
  for (const std::int64_t rows : {100'000, 300, 1}) {
    const std::vector<EvaluateResult> together = evaluate(*model_, tasks, {.rows = rows});
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const EvaluateResult alone = evaluate(*model_, tasks[t].items, tasks[t].grid, tasks[t].added, {});
      if (tasks[t].added != nullptr) {
        expect_same(together[t], alone);
      } else {
        EXPECT_EQ(together[t].baseline_logprob, alone.baseline_logprob);
        EXPECT_TRUE(std::isnan(together[t].letter_logprob[0]));
      }
    }
  }
}

TEST_P(Grid, ABlocksSumsAreTheSameWhateverBlocksShareItsPass) {
  const auto pairs = items(9);
  const auto all = std::span(pairs);
  const std::vector<ExtractTask> tasks{{all.first(4), true}, {all.subspan(4, 1), false}, {all.last(4), true}};
  for (const std::int64_t rows : {100'000, 200, 1}) {
    const std::vector<ExtractResult> together = extract(*model_, tasks, {.rows = rows});
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const ExtractResult alone = extract(*model_, tasks[t].items, tasks[t].keep_activations, {});
      EXPECT_EQ(together[t].sums, alone.sums);
      EXPECT_EQ(together[t].norm_sums, alone.norm_sums);
      EXPECT_EQ(together[t].activations, alone.activations);
    }
  }
}

TEST_P(Grid, TellsHowManyRowsAUnitOpens) {
  const auto few = items(2);
  const std::int64_t rows = rows_of(*model_, ExtractTask{few, false});
  EXPECT_GT(rows, 4);
  EXPECT_EQ(rows_of(*model_, ExtractTask{few, true}), rows);
  const CellGrid grid{layers_, coefficients_, letters_, Positions::InstructionEnd};
  const CellGrid no_cells{layers_, {}, letters_, Positions::InstructionEnd};
  const std::int64_t steered =
      rows_of(*model_, EvaluateTask{few, grid, nullptr}) - rows_of(*model_, EvaluateTask{few, no_cells, nullptr});
  EXPECT_EQ(steered % (3 * 2), 0);  // layers x coefficients that steer
  EXPECT_GT(steered, 0);
}

TEST_P(Grid, SumsAreThoseOfTheStoredActivations) {
  const ExtractResult r = extract(*model_, items(4), true, {});
  const std::size_t row = 3 * 48;
  for (std::size_t i = 0; i < row; ++i) {
    double sum = 0;
    for (std::size_t p = 0; p < 4; ++p)
      sum += double{r.activations[2 * p * row + i] - r.activations[(2 * p + 1) * row + i]};
    EXPECT_EQ(r.sums[i], sum);
  }
}

TEST_P(Grid, NamesAnAnswerThatDoesNotEndInALetter) {
  auto pairs = items(1);
  pairs[0].matching_text = "(A) Yes";
  EXPECT_THROW(extract(*model_, pairs, false, {}), Error);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, Grid, testing::Values(DType::Float32, DType::BFloat16),
                         [](const auto& test) { return std::string(name_of(test.param)); });

}  // namespace
}  // namespace steergrid
