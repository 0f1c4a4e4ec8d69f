// The pass against two independent forwards of the same models: numpy in float64 and Hugging Face (tests/golden).
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>

#include "engine/checkpoint_weights.h"
#include "engine/pass.h"
#include "made_up_model.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

using nlohmann::json;
using Tokens = std::vector<std::int32_t>;

ModelShape shape_of(const json& config) {
  ModelShape s;
  s.n_layers = config.at("num_hidden_layers");
  s.hidden = config.at("hidden_size");
  s.n_heads = config.at("num_attention_heads");
  s.n_kv_heads = config.at("num_key_value_heads");
  s.head_size = config.value("head_dim", s.hidden / s.n_heads);
  s.feed_forward = config.at("intermediate_size");
  s.vocabulary = config.at("vocab_size");
  s.tied_embeddings = config.value("tie_word_embeddings", false);
  return s;
}

double relative_error(std::span<const float> found, const std::vector<double>& expected) {
  EXPECT_EQ(found.size(), expected.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(found[i] - expected[i], 2);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / size);
}

class Golden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::ifstream in(std::string(STEERGRID_SOURCE_DIR) + "/tests/golden/" + GetParam());
    ASSERT_TRUE(in) << GetParam();
    golden_ = json::parse(in);
    shape_ = shape_of(golden_.at("config"));
    write_model(folder_.path(), shape_, DType::Float32, golden_.at("seed").get<std::uint64_t>());
    model_ = std::make_unique<Llama>(*backend_, team_, read_config(folder_.path()),
                                     CheckpointWeights(Checkpoint(folder_.path())), Rounded{});
    for (int id = 0; id < shape_.vocabulary; ++id) vocabulary_.push_back(id);
  }

  /// Residual rows at (sequence, position) pairs after every layer: [layer][place] rows of D values.
  std::vector<std::vector<std::vector<float>>> residuals(Pass& pass, const std::vector<std::pair<int, int>>& places) {
    std::vector<std::vector<std::vector<float>>> found;
    pass.run({}, [&](int, Matrix x) {
      std::vector<std::vector<float>> rows;
      for (const auto& [sequence, position] : places) {
        rows.emplace_back(static_cast<std::size_t>(shape_.hidden));
        backend_->download(x.row_range(pass.row_of(sequence, position), 1),
                           std::as_writable_bytes(std::span(rows.back())));
      }
      found.push_back(std::move(rows));
    });
    return found;
  }

  void expect_probabilities(const Head& head, const std::vector<double>& expected, const std::string& where) {
    ASSERT_EQ(head.log_probability.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(std::exp(head.log_probability[i]), std::exp(expected[i]), 1e-6) << where << ", token " << i;
  }

  json golden_;
  ModelShape shape_;
  TemporaryFolder folder_;
  SoloTeam team_;
  std::unique_ptr<Backend> backend_ = make_cpu_backend(DType::Float32, 1);
  std::unique_ptr<Llama> model_;
  Tokens vocabulary_;
};

TEST_P(Golden, ResidualsAgreeAfterEveryLayerAtEveryPosition) {
  for (std::size_t p = 0; p < golden_["prompts"].size(); ++p) {
    const Tokens tokens = golden_["prompts"][p];
    Pass pass(*model_, {});
    const int prompt = pass.add({.tokens = tokens});
    std::vector<std::pair<int, int>> places;
    for (int t = 0; t < static_cast<int>(tokens.size()); ++t) places.emplace_back(prompt, t);
    const auto found = residuals(pass, places);
    for (std::size_t l = 0; l < found.size(); ++l)
      for (std::size_t t = 0; t < tokens.size(); ++t)
        EXPECT_LT(relative_error(found[l][t], golden_["residuals"][p][l][t]), 1e-5)
            << "prompt " << p << ", layer " << l << ", position " << t;
  }
}

TEST_P(Golden, ProbabilitiesAgreeUnsteered) {
  Pass pass(*model_, {});
  for (const auto& tokens : golden_["prompts"]) pass.add({.tokens = tokens.get<Tokens>(), .wants_head = true});
  pass.run(vocabulary_);
  for (std::size_t p = 0; p < golden_["prompts"].size(); ++p)
    expect_probabilities(pass.head(static_cast<int>(p)), golden_["log_probabilities"][p],
                         "prompt " + std::to_string(p));
}

TEST_P(Golden, VectorsAgreeWhenPairsShareTheirPrompt) {
  const int from_end = golden_["tap_from_end"];
  Pass pass(*model_, {});
  std::vector<std::pair<int, int>> places;
  for (const auto& pair : golden_["pairs"]) {
    const Tokens members[] = {pair["matching"], pair["not_matching"]};
    const int shared = static_cast<int>(std::ranges::mismatch(members[0], members[1]).in1 - members[0].begin());
    const int parent = pass.add({.tokens = Tokens(members[0].begin(), members[0].begin() + shared)});
    for (const Tokens& tokens : members)
      places.emplace_back(pass.add({.tokens = tokens, .parent = parent, .first = shared, .steer_from = shared}),
                          static_cast<int>(tokens.size()) - from_end);
  }
  const auto found = residuals(pass, places);
  for (std::size_t l = 0; l < found.size(); ++l) {
    std::vector<double> sums(static_cast<std::size_t>(shape_.hidden));
    for (std::size_t i = 0; i < found[l].size(); i += 2)
      for (std::size_t d = 0; d < sums.size(); ++d) sums[d] += double{found[l][i][d] - found[l][i + 1][d]};
    std::vector<float> mean;
    for (const double s : sums) mean.push_back(static_cast<float>(s / (static_cast<double>(found[l].size()) / 2)));
    EXPECT_LT(relative_error(mean, golden_["vectors"][l]), 1e-5) << "layer " << l;
  }
}

TEST_P(Golden, ProbabilitiesAgreeForEverySteeredCellAsAFork) {
  std::vector<float> vectors;
  for (const auto& v : golden_["vectors"])
    for (const double x : v) vectors.push_back(static_cast<float>(x));
  Pass pass(*model_, vectors);
  std::vector<int> parents, forks;
  for (const auto& tokens : golden_["prompts"]) parents.push_back(pass.add({.tokens = tokens.get<Tokens>()}));
  for (const auto& cell : golden_["cells"]) {
    const std::size_t prompt = cell["prompt"];
    Sequence fork{.tokens = golden_["prompts"][prompt].get<Tokens>(), .parent = parents[prompt], .wants_head = true};
    fork.first = fork.steer_from = cell["from"];
    fork.opens_after = shape_.n_layers - 1;
    for (const auto& a : cell["additions"]) {
      fork.additions.push_back({a["layer"], a["vector"], a["coefficient"]});
      fork.opens_after = std::min(fork.opens_after, fork.additions.back().layer);
    }
    forks.push_back(pass.add(std::move(fork)));
  }
  pass.run(vocabulary_);
  for (std::size_t i = 0; i < forks.size(); ++i)
    expect_probabilities(pass.head(forks[i]), golden_["cells"][i]["log_probabilities"], "cell " + std::to_string(i));
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, testing::Values("hf_gqa.json", "reference_gqa.json", "reference_mha_tied.json"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(0, name.find('.'));
                         });

}  // namespace
}  // namespace steergrid
