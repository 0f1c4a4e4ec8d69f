// The pass on a GPU, by one rank and by two that share it (partials through host memory, over MPI): forks have the bits
// of the full forward, and both agree with the CPU. Skips without a GPU; also built for the emulated one.
#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "comm/mpi_team.h"
#include "engine/checkpoint_weights.h"
#include "engine/pass.h"
#include "engine/staged_team.h"
#include "engine/synthetic_model.h"
#include "made_up_model.h"
#include "temporary_folder.h"
#include "tests/comm/mpi_main.h"

namespace steergrid {
namespace {

constexpr ModelShape kShape{.n_layers = 3,
                            .hidden = 64,
                            .n_heads = 4,
                            .n_kv_heads = 2,
                            .head_size = 16,
                            .feed_forward = 96,
                            .vocabulary = 96,
                            .tied_embeddings = false};
constexpr int kTokens = 37;  // a tile of keys and a bit

std::vector<std::int32_t> some_tokens() {
  std::mt19937 random(2);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < kTokens; ++i) tokens.push_back(static_cast<std::int32_t>(random() % kShape.vocabulary));
  return tokens;
}

class GpuPass : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (visible_gpus().empty()) GTEST_SKIP() << "no CUDA device";
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 1);
    for (int i = 0; i < kShape.n_layers * kShape.hidden; ++i) vectors_.push_back(normal(random));
    write_model(folder_.path(), kShape, GetParam(), 1);
    config_ = read_config(folder_.path());
    gpu_ = make_cuda_backend(GetParam(), 0);
    staged_.use(*gpu_);
    model_ = load(*gpu_, session().size() > 1 ? static_cast<Team&>(staged_) : static_cast<Team&>(solo_));
  }

  std::unique_ptr<Llama> load(Backend& on, Team& team, Rounded to = {}) {
    const Checkpoint checkpoint(folder_.path());
    return std::make_unique<Llama>(on, team, config_, CheckpointWeights(checkpoint), to);
  }

  Sequence cell(int position, int layer) const {
    return {.tokens = some_tokens(),
            .parent = 0,
            .first = position,
            .opens_after = layer,
            .steer_from = position,
            .additions = {{layer, layer, 1.5f}},
            .wants_head = true};
  }

  Head naive(Llama& model, Sequence s) {
    s.parent = s.opens_after = -1;
    s.first = 0;
    Pass pass(model, vectors_);
    pass.add(std::move(s));
    pass.run(selected_);
    return pass.head(0);
  }

  TemporaryFolder folder_;
  ModelConfig config_;
  SoloTeam solo_;
  MpiTeam mates_{session().world().duplicate()};
  StagedTeam staged_{mates_};
  std::unique_ptr<Backend> gpu_;
  std::unique_ptr<Llama> model_;
  std::vector<float> vectors_;
  std::vector<std::int32_t> selected_{3, 5, 95};
};

TEST_P(GpuPass, GivesForksTheBitsOfTheFullForward) {
  std::vector<Sequence> cells;
  for (const int position : {0, 1, 15, 16, 31, 32, 35, 36})
    for (int layer = 0; layer < kShape.n_layers; ++layer) cells.push_back(cell(position, layer));
  Pass pass(*model_, vectors_);
  pass.add({.tokens = some_tokens(), .wants_head = true});
  for (const Sequence& c : cells) pass.add(c);
  pass.run(selected_);
  for (std::size_t i = 0; i < cells.size(); i += 5) {
    const Head fork = pass.head(static_cast<int>(i) + 1), full = naive(*model_, cells[i]);
    for (std::size_t s = 0; s < selected_.size(); ++s)
      EXPECT_EQ(std::bit_cast<std::uint64_t>(fork.log_probability[s]),
                std::bit_cast<std::uint64_t>(full.log_probability[s]))
          << "fork at " << cells[i].first << " after " << cells[i].opens_after;
    EXPECT_EQ(fork.top_token, full.top_token);
    EXPECT_NE(fork.log_probability, pass.head(0).log_probability);
  }
}

TEST_P(GpuPass, DoesNotSeeItsChunk) {
  const Sequence c = cell(20, 1);
  const Head full = naive(*model_, c);
  for (const std::int64_t chunk_rows : {1, 24, 8192}) {
    Pass pass(*model_, vectors_, chunk_rows);
    pass.add({.tokens = some_tokens()});
    pass.add(c);
    pass.run(selected_);
    EXPECT_EQ(pass.head(1).log_probability, full.log_probability) << "chunks of " << chunk_rows << " rows";
  }
}

TEST_P(GpuPass, OfAModelMadeOnTheGpuIsTheSameResidentAndStreamed) {
  const auto head = [&](Residence residence) {
    Team& team = session().size() > 1 ? static_cast<Team&>(staged_) : solo_;
    Llama model(*gpu_, team, config_, SyntheticWeights(5), {}, residence);
    Head found;
    for (int round = 0; round < 2; ++round) found = naive(model, cell(20, 1));  // a stream begins again
    return found;
  };
  EXPECT_EQ(head(Residence::Resident).log_probability, head(Residence::Streamed).log_probability);
}

TEST_P(GpuPass, IsNearTheCpus) {
  const auto cpu = make_cpu_backend(GetParam(), 1);
  const auto reference = load(*cpu, solo_);
  const double near = GetParam() == DType::Float32 ? 1e-4 : GetParam() == DType::Float16 ? 0.02 : 0.1;
  for (const Sequence& c : {cell(20, 1), Sequence{.tokens = some_tokens(), .wants_head = true}}) {
    const Head found = naive(*model_, c), expected = naive(*reference, c);
    for (std::size_t s = 0; s < selected_.size(); ++s)
      EXPECT_NEAR(found.log_probability[s], expected.log_probability[s], near);
  }
}

class GpuPassInBfloat16 : public GpuPass {};

TEST_P(GpuPassInBfloat16, ExchangesNarrowPartialsInTeamsAndForksKeepTheirBits) {
  const bool team = session().size() > 1;
  const auto narrow = load(*gpu_, team ? static_cast<Team&>(staged_) : solo_, {.partials = DType::BFloat16});
  const Sequence c = cell(20, 1);
  Pass pass(*narrow, vectors_);
  pass.add({.tokens = some_tokens(), .wants_head = true});
  pass.add(c);
  pass.run(selected_);
  const Head found = naive(*narrow, c), wide = naive(*model_, c);
  EXPECT_EQ(found.log_probability, pass.head(1).log_probability);
  EXPECT_EQ(found.log_probability == wide.log_probability, !team);
  for (std::size_t s = 0; s < selected_.size(); ++s)
    EXPECT_NEAR(found.log_probability[s], wide.log_probability[s], 0.1);
}

INSTANTIATE_TEST_SUITE_P(Partials, GpuPassInBfloat16, testing::Values(DType::BFloat16));
INSTANTIATE_TEST_SUITE_P(DTypes, GpuPass, testing::Values(DType::Float32, DType::Float16, DType::BFloat16),
                         [](const auto& dtype) { return std::string(name_of(dtype.param)); });

}  // namespace
}  // namespace steergrid
