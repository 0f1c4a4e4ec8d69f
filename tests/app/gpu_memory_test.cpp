// What a plan counts of a GPU's memory is what is allocated there: weights, resident and streamed, and what rows in
// flight take, for one rank and for two. On the emulated GPU, which counts every byte in stream order; the constants
// that no plan counts (staging, the rotation's table, the vectors) are told apart by differences.
#include <gtest/gtest.h>

#include <functional>

#include "app/memory_options.h"
#include "comm/mpi_team.h"
#include "cuda_runtime_api.h"
#include "engine/pass.h"
#include "engine/staged_team.h"
#include "engine/synthetic_model.h"
#include "tests/comm/mpi_main.h"

namespace steergrid {
namespace {

constexpr double kMiB = 1 << 20;
constexpr int kPrompt = 32;
constexpr int kUntilStaged = 2;  // passes until the staging has all its slots

class GpuMemory : public testing::Test {
 protected:
  void SetUp() override { staged_.use(*gpu_); }

  std::unique_ptr<Llama> load(Residence residence) {
    Team& team = session().size() > 1 ? static_cast<Team&>(staged_) : solo_;
    return std::make_unique<Llama>(*gpu_, team, synthetic_.config, SyntheticWeights(1), Rounded{}, residence);
  }

  /// Of a pass without heads.
  MemoryModel planned(std::int64_t rows, std::int64_t chunk_rows, bool streamed = false) const {
    MemoryOptions options = memory_options(true, rows);
    options.chunk_rows = chunk_rows;
    options.streamed = streamed;
    options.logits = 0;
    return memory_of({synthetic_.config.shape, DType::BFloat16, session().size(), ""}, options);
  }

  /// The most bytes that `step` adds to what is held before it.
  double peak_of(const std::function<void()>& step) {
    std::uint64_t none = 0;
    cudaMemPoolSetAttribute(nullptr, cudaMemPoolAttrUsedMemHigh, &none);
    const std::int64_t before = gpu_->peak_bytes();
    step();
    return static_cast<double>(gpu_->peak_bytes() - before);
  }

  /// Prompts and as many forks of half of their tokens, opened after the first block: `rows` rows in all.
  void run(Llama& model, std::int64_t rows, std::int64_t chunk_rows) {
    const std::vector<float> vectors(static_cast<std::size_t>(model.shape().hidden), 0.01f);
    Pass pass(model, vectors, chunk_rows);
    const std::vector<std::int32_t> tokens(kPrompt, 7);
    for (std::int64_t made = 0; made < rows; made += 3 * kPrompt / 2) {
      const int prompt = pass.add({.tokens = tokens});
      pass.add({.tokens = tokens,
                .parent = prompt,
                .first = kPrompt / 2,
                .opens_after = 0,
                .steer_from = kPrompt / 2,
                .additions = {{0, 0, 1.0f}}});
    }
    pass.run({});
  }

  void run_resident() { run(*load(Residence::Resident), 48, 48); }

  const SyntheticModel synthetic_ =
      parse_synthetic("random:hidden=128,layers=3,heads=4,kv_heads=2,feed_forward=256,vocabulary=1024,positions=64");
  SoloTeam solo_;
  MpiTeam mates_{session().world().duplicate()};
  StagedTeam staged_{mates_};
  std::unique_ptr<Backend> gpu_ = make_cuda_backend(DType::BFloat16, 0);
};

TEST_F(GpuMemory, OfResidentWeightsIsAsPlanned) {
  std::unique_ptr<Llama> model;
  const double held = peak_of([&] { model = load(Residence::Resident); });
  EXPECT_NEAR(held, static_cast<double>(planned(0, 0).weights), 0.05 * kMiB);
}

TEST_F(GpuMemory, OfStreamedWeightsIsThatOfTwoBlocks) {
  for (int i = 0; i < kUntilStaged; ++i) run_resident();
  const double resident = peak_of([&] { run_resident(); });
  const double streamed = peak_of([&] { run(*load(Residence::Streamed), 48, 48); });
  const auto saved = static_cast<double>(planned(0, 0).weights - planned(0, 0, true).weights);
  EXPECT_GT(saved, 0.1 * resident);
  EXPECT_NEAR(resident - streamed, saved, 0.05 * saved);
}

/// In small chunks, which tells what a row costs, and in one of all rows, which adds what a chunk does.
TEST_F(GpuMemory, GrowsWithTheRowsInFlightAndWithTheirChunkAsPlanned) {
  const auto model = load(Residence::Resident);
  for (int i = 0; i < kUntilStaged; ++i) run(*model, 48, 48);
  const double least = peak_of([&] { run(*model, 96, 48); });
  for (const std::int64_t chunk_rows : {48, 384}) {
    const double most = peak_of([&] { run(*model, 384, chunk_rows); });
    const auto grown = static_cast<double>(planned(384, chunk_rows).in_flight() - planned(96, 48).in_flight());
    EXPECT_NEAR(most - least, grown, 0.03 * grown) << "chunks of " << chunk_rows;
  }
}

TEST_F(GpuMemory, ThatWasFreedInPiecesIsGivenBackAndAskedForAgain) {
  emulated::in_pieces() = true;
  EXPECT_NE(gpu_->allocate(10, 10, DType::Float32).view().data, nullptr);
  EXPECT_FALSE(emulated::in_pieces());
}

}  // namespace
}  // namespace steergrid
