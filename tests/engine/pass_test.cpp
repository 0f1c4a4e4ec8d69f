// The heart: a fork gives the bits of the full forward, wherever it opens and whatever shares its pass.
#include "engine/pass.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "base/error.h"
#include "engine/checkpoint_weights.h"
#include "made_up_model.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

constexpr ModelShape kShape{.n_layers = 3,
                            .hidden = 64,
                            .n_heads = 8,
                            .n_kv_heads = 2,
                            .head_size = 8,
                            .feed_forward = 172,
                            .vocabulary = 96,
                            .tied_embeddings = false};

std::vector<std::int32_t> random_tokens(int n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back(static_cast<std::int32_t>(random() % kShape.vocabulary));
  return tokens;
}

std::vector<float> random_vectors(int n) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> v(static_cast<std::size_t>(n * kShape.hidden));
  for (float& x : v) x = normal(random);
  return v;
}

void expect_same_bits(const Head& a, const Head& b, const std::string& where) {
  ASSERT_EQ(a.log_probability.size(), b.log_probability.size());
  for (std::size_t i = 0; i < a.log_probability.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint64_t>(a.log_probability[i]), std::bit_cast<std::uint64_t>(b.log_probability[i]))
        << where << ": " << a.log_probability[i] << " and " << b.log_probability[i];
  EXPECT_EQ(a.top_token, b.top_token) << where;
  EXPECT_EQ(a.top_log_probability, b.top_log_probability) << where;
}

class PassTest : public testing::TestWithParam<std::tuple<DType, bool>> {
 protected:
  void SetUp() override {
    const auto [dtype, residual_in_model_dtype] = GetParam();
    write_model(folder_.path(), kShape, dtype, 1);
    const ModelConfig config = read_config(folder_.path());
    const Checkpoint checkpoint(folder_.path());
    backend_ = make_cpu_backend(dtype, 2);
    model_ = std::make_unique<Llama>(*backend_, team_, config, CheckpointWeights(checkpoint),
                                     Rounded{.residual = residual_in_model_dtype ? dtype : DType::Float32});
  }

  /// One full forward of the whole sequence, alone in its pass.
  Head naive(Sequence s) {
    s.parent = -1;
    s.first = 0;
    s.opens_after = -1;
    s.wants_head = true;
    Pass pass(*model_, vectors_);
    const int only = pass.add(std::move(s));
    pass.run(selected_);
    return pass.head(only);
  }

  TemporaryFolder folder_;
  SoloTeam team_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Llama> model_;
  std::vector<float> vectors_ = random_vectors(4);
  std::vector<std::int32_t> selected_{3, 5, 95};
};

TEST_P(PassTest, GivesTheBitsOfTheFullForwardForForksAtEveryPositionAndLayer) {
  const auto tokens = random_tokens(13, 2);
  Pass pass(*model_, vectors_);
  const int parent = pass.add({.tokens = tokens, .wants_head = true});
  std::vector<Sequence> cells;
  for (int position = 0; position < 13; ++position)
    for (int layer = 0; layer < kShape.n_layers; ++layer)
      for (const float c : {-3.0f, 0.5f})
        cells.push_back({.tokens = tokens,
                         .parent = parent,
                         .first = position,
                         .opens_after = layer,
                         .steer_from = position,
                         .additions = {{layer, layer, c}},
                         .wants_head = true});
  for (const Sequence& cell : cells) pass.add(cell);
  pass.run(selected_);
  expect_same_bits(pass.head(parent), naive({.tokens = tokens}), "baseline");
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Head& fork = pass.head(static_cast<int>(i) + 1);
    expect_same_bits(fork, naive(cells[i]),
                     "fork at " + std::to_string(cells[i].first) + " after " + std::to_string(cells[i].opens_after));
    EXPECT_NE(fork.log_probability, pass.head(parent).log_probability);
  }
}

TEST_P(PassTest, AddsSeveralVectorsInOneFork) {
  const auto tokens = random_tokens(9, 3);
  Pass pass(*model_, vectors_);
  const int parent = pass.add({.tokens = tokens});
  const Sequence cell{.tokens = tokens,
                      .parent = parent,
                      .first = 4,
                      .opens_after = 0,
                      .steer_from = 6,
                      .additions = {{2, 3, 1.5f}, {0, 1, -2.0f}, {1, 0, 0.25f}},
                      .wants_head = true};
  const int fork = pass.add(cell);
  pass.run(selected_);
  expect_same_bits(pass.head(fork), naive(cell), "three additions");
}

TEST_P(PassTest, DoesNotSeeWhatElseIsInThePass) {
  const auto tokens = random_tokens(37, 4);
  Pass pass(*model_, vectors_);  // 60 prompts of 37 tokens and their forks: rows cross the chunks everywhere
  std::vector<int> forks;
  for (int i = 0; i < 60; ++i) {
    const int parent = pass.add({.tokens = random_tokens(37 - i % 5, 100u + static_cast<unsigned>(i))});
    const int same = i % 3 == 0 ? pass.add({.tokens = tokens}) : -1;
    if (same >= 0)
      forks.push_back(pass.add({.tokens = tokens,
                                .parent = same,
                                .first = 30,
                                .opens_after = 1,
                                .steer_from = 30,
                                .additions = {{1, 2, 2.0f}},
                                .wants_head = true}));
    EXPECT_GE(parent, 0);
  }
  pass.run(selected_);
  const Head alone = naive({.tokens = tokens, .steer_from = 30, .additions = {{1, 2, 2.0f}}});
  for (const int fork : forks) expect_same_bits(pass.head(fork), alone, "fork among others");
}

TEST_P(PassTest, DoesNotSeeItsChunk) {
  const auto tokens = random_tokens(37, 4);
  const Sequence cell{.tokens = tokens,
                      .parent = 0,
                      .first = 30,
                      .opens_after = 1,
                      .steer_from = 30,
                      .additions = {{1, 2, 2.0f}},
                      .wants_head = true};
  for (const std::int64_t chunk_rows : {1, 5, 31, 8192}) {
    Pass pass(*model_, vectors_, chunk_rows);
    pass.add({.tokens = tokens});
    pass.add(cell);
    pass.run(selected_);
    expect_same_bits(pass.head(1), naive(cell), "chunks of " + std::to_string(chunk_rows) + " rows");
  }
}

TEST_P(PassTest, ReadsTheSameResidualFromABranchAsFromTheWholePrompt) {
  const auto matching = random_tokens(11, 5);
  auto other = matching;
  other[8] = (other[8] + 1) % kShape.vocabulary;
  const auto residuals = [&](bool branches) {
    Pass pass(*model_, {});
    int parent = -1;
    if (branches) parent = pass.add({.tokens = std::vector(matching.begin(), matching.begin() + 8)});
    const int first = branches ? 8 : 0;
    const int a = pass.add({.tokens = matching, .parent = parent, .first = first, .steer_from = first});
    const int b = pass.add({.tokens = other, .parent = parent, .first = first, .steer_from = first});
    std::vector<double> sums;
    double norm = 0;
    pass.run({}, [&](int, Matrix x) {
      std::vector<double> layer(static_cast<std::size_t>(kShape.hidden));
      const std::vector<std::int64_t> of_a{pass.row_of(a, 10)}, of_b{pass.row_of(b, 10)};
      backend_->difference_sums(x, of_a, of_b, layer, norm);
      sums.insert(sums.end(), layer.begin(), layer.end());
    });
    sums.push_back(norm);
    return sums;
  };
  EXPECT_EQ(residuals(true), residuals(false));
}

TEST_P(PassTest, AForkThatAddsNothingHasTheBaselinesBits) {
  const auto tokens = random_tokens(9, 6);
  Pass pass(*model_, vectors_);
  const int parent = pass.add({.tokens = tokens, .wants_head = true});
  const int fork = pass.add({.tokens = tokens,
                             .parent = parent,
                             .first = 5,
                             .opens_after = 1,
                             .steer_from = 5,
                             .additions = {{1, 0, 0.0f}},
                             .wants_head = true});
  pass.run(selected_);
  expect_same_bits(pass.head(fork), pass.head(parent), "coefficient 0");
}

TEST_P(PassTest, RefusesSequencesThatMakeNoSense) {
  const auto tokens = random_tokens(5, 8);
  Pass pass(*model_, vectors_);
  const int parent = pass.add({.tokens = tokens});
  EXPECT_THROW(pass.add({.tokens = {}}), Error);
  EXPECT_THROW(pass.add({.tokens = {1, kShape.vocabulary}}), Error);
  EXPECT_THROW(pass.add({.tokens = tokens, .first = 1, .steer_from = 1}), Error);
  EXPECT_THROW(pass.add({.tokens = tokens, .parent = parent, .first = 5, .opens_after = 0, .steer_from = 5}), Error);
  EXPECT_THROW(pass.add({.tokens = tokens, .parent = parent, .opens_after = 3}), Error);
  EXPECT_THROW(pass.add({.tokens = tokens, .parent = 7, .opens_after = 0}), Error);
  EXPECT_THROW(pass.add({.tokens = tokens, .parent = parent, .opens_after = 1, .additions = {{0, 0, 1.0f}}}), Error);
  EXPECT_THROW(pass.add({.tokens = tokens, .additions = {{0, 4, 1.0f}}}), Error);
  EXPECT_THROW(pass.add({.tokens = tokens, .additions = {{0, 1, 1.0f}, {0, 2, 1.0f}}}), Error);
  EXPECT_THROW(pass.add({.tokens = random_tokens(5, 9), .parent = parent, .opens_after = 0}), Error);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, PassTest,
                         testing::Values(std::tuple{DType::Float32, false}, std::tuple{DType::BFloat16, false},
                                         std::tuple{DType::BFloat16, true}, std::tuple{DType::Float16, true}),
                         [](const auto& test) {
                           return std::string(name_of(std::get<0>(test.param))) +
                                  (std::get<1>(test.param) ? "_residual_in_model_dtype" : "");
                         });

}  // namespace
}  // namespace steergrid
