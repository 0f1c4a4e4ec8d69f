#include "made_up_model.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <numeric>

namespace steergrid {
namespace {

class MadeUpModel : public testing::TestWithParam<const char*> {};

// The golden files' weights are made by Python; their sums are exact, so equal sums mean equal weights.
TEST_P(MadeUpModel, HasTheWeightsThatPythonMakesForTheGoldenFiles) {
  std::ifstream file(std::string(STEERGRID_SOURCE_DIR) + "/tests/golden/" + GetParam());
  const nlohmann::json golden = nlohmann::json::parse(file);
  const nlohmann::json& config = golden["config"];
  const int hidden = config["hidden_size"];
  const int queries = config["num_attention_heads"].get<int>() * config["head_dim"].get<int>();
  const int keys = config["num_key_value_heads"].get<int>() * config["head_dim"].get<int>();
  const int feed_forward = config["intermediate_size"];
  const auto expect_sum = [&](const std::string& name, int rows, int cols) {
    const std::vector<float> values = made_up_tensor(golden["seed"], name, rows, cols);
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0.0), golden["weight_sums"][name].get<double>()) << name;
  };
  expect_sum("model.embed_tokens.weight", config["vocab_size"], hidden);
  expect_sum("model.norm.weight", 1, hidden);
  if (!config["tie_word_embeddings"]) expect_sum("lm_head.weight", config["vocab_size"], hidden);
  for (int l = 0; l < config["num_hidden_layers"]; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    expect_sum(layer + "input_layernorm.weight", 1, hidden);
    expect_sum(layer + "self_attn.q_proj.weight", queries, hidden);
    expect_sum(layer + "self_attn.k_proj.weight", keys, hidden);
    expect_sum(layer + "self_attn.v_proj.weight", keys, hidden);
    expect_sum(layer + "self_attn.o_proj.weight", hidden, queries);
    expect_sum(layer + "mlp.gate_proj.weight", feed_forward, hidden);
    expect_sum(layer + "mlp.down_proj.weight", hidden, feed_forward);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, MadeUpModel, testing::Values("reference_gqa.json", "reference_mha_tied.json"),
                         [](const auto& file) { return file.index == 0 ? "GroupedQueries" : "TiedEmbeddings"; });

TEST(MadeUpModelWeights, AreTheSameInAllThreeDtypes) {
  for (const char* name : {"model.layers.0.mlp.up_proj.weight", "model.norm.weight"})
    for (const float w : made_up_tensor(3, name, 10, 100)) {
      EXPECT_EQ(round_to(DType::BFloat16, w), w);
      EXPECT_EQ(round_to(DType::Float16, w), w);
    }
}

}  // namespace
}  // namespace steergrid
