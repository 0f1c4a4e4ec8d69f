// Checkpoints that are what they should be, and those that do not fit their model. Malformed files:
// checkpoint_files_test.
#include "engine/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "error_of.h"
#include "made_up_model.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr ModelShape kShape{
    .n_layers = 2, .hidden = 16, .n_heads = 4, .n_kv_heads = 2, .head_size = 6, .feed_forward = 20, .vocabulary = 11};

std::vector<float> values_of(const HostMatrix& m) {
  std::vector<float> values;
  for (std::int64_t r = 0; r < m.rows; ++r)
    for (std::int64_t c = 0; c < m.cols; ++c) {
      const std::byte* p = m.data + static_cast<std::size_t>(r * m.stride + c) * size_of(m.dtype);
      std::uint16_t half = 0;
      float value = 0;
      if (m.dtype == DType::Float32) {
        std::memcpy(&value, p, 4);
      } else {
        std::memcpy(&half, p, 2);
        value = m.dtype == DType::Float16 ? float16_to_float(half) : bfloat16_to_float(half);
      }
      values.push_back(value);
    }
  return values;
}

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The error of checking a checkpoint of `written` against a config of `expected`.
std::string mismatch(const ModelShape& written, const ModelShape& expected) {
  const TemporaryFolder folder;
  write_model(folder.path(), written, DType::BFloat16, 1);
  const Checkpoint checkpoint(folder.path());
  ModelConfig config;
  config.shape = expected;
  return error_of([&] { checkpoint.check(config); });
}

TEST(Checkpoint, HoldsTheSameNumbersInEveryDtypeAndHoweverManyShards) {
  for (const DType dtype : {DType::Float32, DType::Float16, DType::BFloat16})
    for (const int shards : {1, 3}) {
      const TemporaryFolder folder;
      write_model(folder.path(), kShape, dtype, 5, shards);
      const Checkpoint checkpoint(folder.path());
      EXPECT_EQ(checkpoint.files().size(), static_cast<std::size_t>(shards));
      EXPECT_EQ(checkpoint.dtype(), dtype);
      checkpoint.check(read_config(folder.path()));
      const std::string down = "model.layers.1.mlp.down_proj.weight";
      EXPECT_EQ(values_of(checkpoint.matrix(down, 16, 20)), made_up_tensor(5, down, 16, 20));
      EXPECT_EQ(values_of(checkpoint.matrix("model.norm.weight", 1, 16)),
                made_up_tensor(5, "model.norm.weight", 1, 16));
      checkpoint.release(down);
      EXPECT_EQ(values_of(checkpoint.matrix(down, 16, 20)), made_up_tensor(5, down, 16, 20));
    }
}

TEST(Checkpoint, CutsRowsAndColumnsOutOfAMatrix) {
  const TemporaryFolder folder;
  write_model(folder.path(), kShape, DType::Float16, 5);
  const Checkpoint checkpoint(folder.path());
  const HostMatrix whole = checkpoint.matrix("model.layers.0.self_attn.q_proj.weight", 24, 16);
  const std::vector<float> all = values_of(whole);
  EXPECT_EQ(values_of(Checkpoint::row_slice(whole, 6, 12)), std::vector(all.begin() + 6 * 16, all.begin() + 18 * 16));
  const std::vector<float> right = values_of(Checkpoint::column_slice(whole, 4, 3));
  ASSERT_EQ(right.size(), 24u * 3);
  for (std::size_t i = 0; i < right.size(); ++i) EXPECT_EQ(right[i], all[i / 3 * 16 + 4 + i % 3]);
}

TEST(Checkpoint, NamesTheTensorAndBothShapes) {
  const TemporaryFolder folder;
  write_model(folder.path(), kShape, DType::Float32, 5);
  const Checkpoint checkpoint(folder.path());
  EXPECT_THAT(error_of([&] { checkpoint.matrix("model.embed_tokens.weight", 16, 11); }),
              AllOf(HasSubstr("model.safetensors"), HasSubstr("'model.embed_tokens.weight'"),
                    HasSubstr("expected shape [16, 11], found [11, 16]")));
  EXPECT_THAT(error_of([&] { checkpoint.matrix("model.norm.weight", 16, 1); }), HasSubstr("found [16]"));
  EXPECT_THAT(error_of([&] { checkpoint.matrix("model.norm.bias", 1, 16); }),
              AllOf(HasSubstr("'model.norm.bias'"), HasSubstr("[16], not in the checkpoint")));
  EXPECT_FALSE(checkpoint.contains("model.norm.bias"));
  EXPECT_TRUE(checkpoint.contains("model.norm.weight"));
}

TEST(Checkpoint, ThatDoesNotFitItsConfigIsRefusedWithAllProblems) {
  EXPECT_EQ(mismatch(kShape, kShape), "");
  ModelShape other = kShape;
  other.n_kv_heads = 1;
  other.vocabulary = 12;
  const std::string error = mismatch(kShape, other);
  EXPECT_THAT(error, HasSubstr("6 of 21 tensors are not as config.json says: tensor 'model.embed_tokens.weight': "
                               "expected shape [12, 16], found [11, 16]; "));
  EXPECT_THAT(error,
              AllOf(HasSubstr("'model.layers.0.self_attn.v_proj.weight': expected shape [6, 16], found [12, 16]"),
                    HasSubstr("; and 3 more"), Not(HasSubstr("\n"))));
  other = kShape;
  other.n_kv_heads = 1;
  other.n_layers = 1;  // a line a kind of problem, each with its place
  EXPECT_THAT(mismatch(kShape, other),
              AllOf(HasSubstr("\n"), HasSubstr(": tensor 'model.layers.0.self_attn.v_proj.weight': "),
                    HasSubstr(": 9 of 21 tensors are not of config.json's model: tensor 'model.layers.1.")));
  other = kShape;
  other.n_layers = 3;
  EXPECT_THAT(mismatch(kShape, other), AllOf(HasSubstr("9 of 30 tensors of config.json's model are missing: tensor "),
                                             HasSubstr("'model.layers.2.self_attn.q_proj.weight': expected shape")));
  other.n_layers = 1;  // a layer left out would change results without a word
  EXPECT_THAT(mismatch(kShape, other),
              HasSubstr("'model.layers.1.mlp.gate_proj.weight' [20, 16]: not part of a Llama"));
  other = kShape;
  other.tied_embeddings = true;  // the head in the file is the embedding again
  EXPECT_EQ(mismatch(kShape, other), "");
  EXPECT_THAT(mismatch(other, kShape), HasSubstr("'lm_head.weight'"));
}

TEST(CheckpointIdentity, DependsOnTheContentAndNotOnThePlace) {
  const TemporaryFolder one, two;
  write_model(one.path(), kShape, DType::BFloat16, 5);
  write_model(two.path(), kShape, DType::BFloat16, 5);
  const std::string sampled = checkpoint_identity(one.path(), false);
  const std::string full = checkpoint_identity(one.path(), true);
  EXPECT_EQ(sampled.size(), 16u);
  EXPECT_NE(sampled, full);
  EXPECT_EQ(checkpoint_identity(two.path(), false), sampled);
  EXPECT_EQ(checkpoint_identity(two.path(), true), full);

  write_model(two.path(), kShape, DType::BFloat16, 6);
  EXPECT_NE(checkpoint_identity(two.path(), false), sampled);
  write_model(two.path(), kShape, DType::BFloat16, 5);
  two.write("tokenizer.model", "");
  EXPECT_NE(checkpoint_identity(two.path(), false), sampled);
  std::filesystem::remove(two / "tokenizer.model");
  two.write("config.json", content(two / "config.json") + " ");
  EXPECT_NE(checkpoint_identity(two.path(), false), sampled);
}

TEST(CheckpointIdentity, SamplesBothEndsOfTheDataAndReadsAllOfItWhenAsked) {
  constexpr ModelShape kLarge{.n_layers = 1,
                              .hidden = 256,
                              .n_heads = 2,
                              .n_kv_heads = 2,
                              .head_size = 128,
                              .feed_forward = 512,
                              .vocabulary = 256};
  const TemporaryFolder folder;
  write_model(folder.path(), kLarge, DType::BFloat16, 5);
  const std::string sampled = checkpoint_identity(folder.path(), false);
  const std::string full = checkpoint_identity(folder.path(), true);
  const std::string good = content(folder / "model.safetensors");
  const auto with_other_byte = [&](std::size_t at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    folder.write("model.safetensors", bytes);
  };
  // Both ends of the last block, then a byte that no sample holds.
  for (const std::size_t at : {good.size() - 1, good.size() - 65536, good.size() - 65537}) {
    with_other_byte(at);
    EXPECT_EQ(checkpoint_identity(folder.path(), false) == sampled, at == good.size() - 65537);
    EXPECT_NE(checkpoint_identity(folder.path(), true), full);
  }
}

}  // namespace
}  // namespace steergrid
