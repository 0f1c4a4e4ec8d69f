#include "engine/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "error_of.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

json small() {
  return {{"model_type", "llama"},    {"num_hidden_layers", 4},        {"hidden_size", 64},
          {"num_attention_heads", 8}, {"intermediate_size", 172},      {"vocab_size", 96},
          {"rms_norm_eps", 1e-5},     {"max_position_embeddings", 512}};
}

ModelConfig read(const std::string& text) {
  const TemporaryFolder folder;
  folder.write("config.json", text);
  return read_config(folder.path());
}

std::string error_with(const std::string& key, const json& value) {
  json config = small();
  config[key] = value;
  return error_of([&] { read(config.dump()); });
}

TEST(Config, KnowsACheckpointWhoseWeightsAreMadeUp) {
  json config = small();
  EXPECT_FALSE(read(config.dump()).synthetic);
  config["_name_or_path"] = "random:hidden=64,layers=3,heads=4?seed=0";
  EXPECT_TRUE(read(config.dump()).synthetic);
}

TEST(Config, ReadsLlama2AsPublished) {
  const ModelConfig c = read(R"({"_name_or_path": "meta-llama/Llama-2-7b-chat-hf",
    "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
    "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008, "max_position_embeddings": 4096,
    "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
    "pretraining_tp": 1, "rms_norm_eps": 1e-06, "rope_scaling": null, "tie_word_embeddings": false,
    "torch_dtype": "float16", "transformers_version": "4.32.0.dev0", "use_cache": true, "vocab_size": 32000})");
  EXPECT_EQ(c.shape.n_layers, 32);
  EXPECT_EQ(c.shape.hidden, 4096);
  EXPECT_EQ(c.shape.head_size, 128);
  EXPECT_EQ(c.shape.parameters(), 6738415616);
  EXPECT_EQ(c.rms_norm_eps, 1e-6f);
  EXPECT_EQ(c.max_positions, 4096);
  EXPECT_EQ(c.torch_dtype, DType::Float16);
}

TEST(Config, FillsInWhatOldFilesLeaveOut) {
  const ModelConfig c = read(small().dump());
  EXPECT_EQ(c.shape.n_kv_heads, 8);
  EXPECT_EQ(c.shape.head_size, 8);
  EXPECT_FALSE(c.shape.tied_embeddings);
  EXPECT_EQ(c.rope_theta, 10000.0f);
  EXPECT_EQ(c.bos_token, 1);
  EXPECT_EQ(c.torch_dtype, std::nullopt);
}

TEST(Config, ReadsTheKeysOfNewerFiles) {
  json config = small();
  config["num_key_value_heads"] = 2;
  config["head_dim"] = 12;
  config["tie_word_embeddings"] = true;
  config["dtype"] = "bfloat16";
  config["rope_parameters"] = {{"rope_theta", 500000.0}, {"rope_type", "default"}};
  config["attention_bias"] = config["mlp_bias"] = false;
  config["pretraining_tp"] = 2;  // changes only how transformers slices a product
  const ModelConfig c = read(config.dump());
  EXPECT_EQ(c.shape.n_kv_heads, 2);
  EXPECT_EQ(c.shape.head_size, 12);
  EXPECT_TRUE(c.shape.tied_embeddings);
  EXPECT_EQ(c.rope_theta, 500000.0f);
  EXPECT_EQ(c.torch_dtype, DType::BFloat16);
}

TEST(Config, RefusesByNameWhatTheEngineDoesNotCompute) {
  const std::pair<const char*, json> cases[] = {
      {"model_type", "mistral"},
      {"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}},
      {"attention_bias", true},
      {"mlp_bias", true},
      {"hidden_act", "gelu"},
      {"sliding_window", 4096},
      {"quantization_config", {{"bits", 4}}},
      {"partial_rotary_factor", 0.5},
      {"torch_dtype", "float64"},
      {"rope_parameters", {{"rope_type", "llama3"}, {"rope_theta", 1e4}}},
  };
  for (const auto& [key, value] : cases)
    EXPECT_THAT(error_with(key, value), AllOf(HasSubstr("config.json"), HasSubstr(key), HasSubstr("found"))) << key;
}

TEST(Config, RefusesNumbersOfTheWrongTypeOrRange) {
  const std::pair<const char*, json> cases[] = {
      {"num_hidden_layers", 0},
      {"num_hidden_layers", 1025},
      {"num_hidden_layers", -4},
      {"num_hidden_layers", 4.0},
      {"num_hidden_layers", "4"},
      {"num_hidden_layers", true},
      {"hidden_size", 65600},
      {"hidden_size", 18446744073709551615u},
      {"hidden_size", 1e30},
      {"hidden_size", json::array({64})},
      {"hidden_size", nullptr},
      {"num_attention_heads", 7},
      {"num_attention_heads", 64},
      {"num_key_value_heads", 3},
      {"num_key_value_heads", 16},
      {"head_dim", 7},
      {"head_dim", 0},
      {"intermediate_size", 2147483648},
      {"vocab_size", 4294967297},
      {"max_position_embeddings", 0},
      {"rms_norm_eps", 0},
      {"rms_norm_eps", -1e-5},
      {"rms_norm_eps", 1e-60},
      {"rms_norm_eps", "1e-5"},
      {"rope_theta", 0},
      {"rope_theta", 1e300},
      {"bos_token_id", 96},
      {"bos_token_id", json::array({1})},
      {"tie_word_embeddings", 1},
  };
  for (const auto& [key, value] : cases)
    EXPECT_THAT(error_with(key, value), AllOf(HasSubstr("expected"), HasSubstr("found"))) << key << " " << value;
}

TEST(Config, ReportsAllProblemsAtOnce) {
  const std::string error = error_of([] { read(R"({"model_type": "gpt2", "hidden_size": "many"})"); });
  for (const char* key : {"model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size",
                          "vocab_size", "rms_norm_eps", "max_position_embeddings"})
    EXPECT_THAT(error, HasSubstr(key));
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 7) << error;  // a line each
}

TEST(Config, RefusesWhatIsNotOneJsonObject) {
  for (const char* text :
       {"", "[]", "3", "\"llama\"", "{", "{\"a\": 1} x", "{\"a\": 01}", "\xff\xfe", "{\"a\": 1e999}"})
    EXPECT_THAT(error_of([&] { read(text); }), HasSubstr("config.json: ")) << text;
  EXPECT_THAT(error_of([] { read(R"({"hidden_size": 64, "hidden_size": 128})"); }), HasSubstr("'hidden_size'"));
  EXPECT_THAT(error_of([] { read("{\"a\":" + std::string(1000000, '[')); }), HasSubstr("deeper than 16"));
}

TEST(Config, SaysWhichFileIsMissing) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { read_config(folder.path()); }), HasSubstr(folder / "config.json"));
}

}  // namespace
}  // namespace steergrid
