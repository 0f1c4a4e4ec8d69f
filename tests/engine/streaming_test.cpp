// Weights that stream: the bits of resident ones, every walk, and a clear error where the stream breaks.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "engine/checkpoint_weights.h"
#include "engine/pass.h"
#include "engine/read_ahead.h"
#include "error_of.h"
#include "made_up_model.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

constexpr ModelShape kShape{.n_layers = 4,
                            .hidden = 48,
                            .n_heads = 6,
                            .n_kv_heads = 3,
                            .head_size = 8,
                            .feed_forward = 80,
                            .vocabulary = 352,
                            .tied_embeddings = false};

const std::vector<std::int32_t> kPrompt{1, 5, 9, 300, 77, 12, 4};

/// Log-probabilities of a prompt and of a fork of it.
std::vector<double> probabilities(Llama& model) {
  const std::vector<float> vectors(48, 0.5f);
  Pass pass(model, vectors);
  const int parent = pass.add({.tokens = kPrompt, .wants_head = true});
  const int fork = pass.add({.tokens = kPrompt,
                             .parent = parent,
                             .first = 5,
                             .opens_after = 1,
                             .steer_from = 5,
                             .additions = {{1, 0, 2.0f}},
                             .wants_head = true});
  pass.run(std::vector<std::int32_t>{3, 17, 351});
  std::vector<double> all = pass.head(parent).log_probability;
  all.insert(all.end(), pass.head(fork).log_probability.begin(), pass.head(fork).log_probability.end());
  return all;
}

class Streaming : public testing::TestWithParam<std::tuple<DType, int>> {
 protected:
  Streaming() { write_model(folder_.path(), kShape, std::get<0>(GetParam()), 5, std::get<1>(GetParam())); }

  Llama load(Residence residence) {
    const Checkpoint checkpoint(folder_.path());
    return {*backend_, team_, read_config(folder_.path()), CheckpointWeights(checkpoint), Rounded{}, residence};
  }

  TemporaryFolder folder_;
  SoloTeam team_;
  std::unique_ptr<Backend> backend_ = make_cpu_backend(std::get<0>(GetParam()), 1);
};

TEST_P(Streaming, GivesTheBitsOfResidentWeightsOnEveryWalk) {
  Llama resident = load(Residence::Resident), streamed = load(Residence::Streamed);
  const std::vector<double> expected = probabilities(resident);
  for (int walk = 0; walk < 3; ++walk) EXPECT_EQ(probabilities(streamed), expected);
}

TEST_P(Streaming, ReadsEveryBlockOnceAWalkAndAtMostTwoAhead) {
  Llama streamed = load(Residence::Streamed);
  for (int walk = 1; walk <= 3; ++walk) {
    probabilities(streamed);
    const LayerTraffic traffic = streamed.traffic();
    EXPECT_GE(traffic.layers_loaded, walk * kShape.n_layers);
    EXPECT_LE(traffic.layers_loaded, walk * kShape.n_layers + 2);
    const std::int64_t layer_bytes =
        (kShape.layer_matrix_parameters() + 2 * 48) * static_cast<std::int64_t>(size_of(std::get<0>(GetParam())));
    EXPECT_GE(traffic.bytes_read, traffic.layers_loaded * layer_bytes);
  }
  EXPECT_EQ(load(Residence::Resident).traffic().layers_loaded, 0);
}

TEST_P(Streaming, GoesOnRightAfterAWalkThatStoppedInTheMiddle) {
  Llama resident = load(Residence::Resident), streamed = load(Residence::Streamed);
  streamed.layer(0);
  streamed.layer(1);
  EXPECT_EQ(probabilities(streamed), probabilities(resident));
}

TEST_P(Streaming, TellsTheComputingThreadThatAFileHasBecomeShorter) {
  Llama streamed = load(Residence::Streamed);
  for (const auto& file : std::filesystem::directory_iterator(folder_.path()))
    if (file.path().extension() == ".safetensors") std::filesystem::resize_file(file, file.file_size() / 2);
  ExitCode code = ExitCode::Ok;
  std::string sentence;
  try {
    for (int walk = 0; walk < 3; ++walk) probabilities(streamed);  // what was read ahead may still be used
  } catch (const Error& e) {
    code = e.code();
    sentence = e.what();
  }
  EXPECT_EQ(code, ExitCode::RunAgain);
  for (const char* part : {"streamed", ".safetensors: tensor 'model.", "expected", "found", "shorter"})
    EXPECT_NE(sentence.find(part), sentence.npos) << sentence;
}

TEST_P(Streaming, NamesATensorThatIsMissingBeforeAnythingRuns) {
  ModelConfig config = read_config(folder_.path());
  ++config.shape.n_layers;
  const Checkpoint checkpoint(folder_.path());
  const std::string sentence =
      error_of([&] { Llama(*backend_, team_, config, CheckpointWeights(checkpoint), Rounded{}, Residence::Streamed); });
  EXPECT_NE(sentence.find("model.layers.4.input_layernorm.weight"), sentence.npos) << sentence;
}

INSTANTIATE_TEST_SUITE_P(Dtypes, Streaming,
                         testing::Combine(testing::Values(DType::Float32, DType::BFloat16, DType::Float16),
                                          testing::Values(1, 3)),
                         [](const auto& test) {
                           return std::string(name_of(std::get<0>(test.param))) + "_in_" +
                                  std::to_string(std::get<1>(test.param)) + "_files";
                         });

TEST(ReadAhead, GivesExtentsInTheirOrderOverAndOver) {
  TemporaryFolder folder;
  std::string first(std::size_t{20} << 20, '\0'), second = "0123456789";
  for (std::size_t i = 0; i < first.size(); ++i) first[i] = static_cast<char>(i * 2654435761u >> 13);
  folder.write("first", first);
  folder.write("second", second);
  const std::vector<Extent> extents{{"large", 0, 3, first.size() - 3}, {"small", 1, 4, 5}, {"none", 1, 10, 0}};
  const auto allocate = [](std::size_t bytes) {
    return HostMemory(::operator new(bytes), [](void* p) { ::operator delete(p); });
  };
  ReadAhead reader({folder / "first", folder / "second"}, extents, true, allocate);
  for (int round = 0; round < 3; ++round) {
    for (const std::string& expected : {first.substr(3), second.substr(4, 5), std::string()}) {
      const auto got = reader.next();
      EXPECT_TRUE(std::string_view(reinterpret_cast<const char*>(got.data()), got.size()) == expected);
    }
  }
}

}  // namespace
}  // namespace steergrid
