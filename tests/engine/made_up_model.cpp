#include "made_up_model.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace steergrid {

namespace {

using nlohmann::json;

struct TensorToWrite {
  std::string name;
  std::int64_t rows, cols;
  bool vector() const { return name.find("norm") != std::string::npos; }
  std::vector<std::int64_t> shape() const {
    return vector() ? std::vector<std::int64_t>{cols} : std::vector<std::int64_t>{rows, cols};
  }
};

std::vector<TensorToWrite> tensors_of(const ModelShape& s) {
  const int queries = s.n_heads * s.head_size;
  const int keys = s.n_kv_heads * s.head_size;
  std::vector<TensorToWrite> all{{"model.embed_tokens.weight", s.vocabulary, s.hidden}};
  for (int l = 0; l < s.n_layers; ++l) {
    const std::string layer = fmt::format("model.layers.{}.", l);
    all.push_back({layer + "input_layernorm.weight", 1, s.hidden});
    all.push_back({layer + "self_attn.q_proj.weight", queries, s.hidden});
    all.push_back({layer + "self_attn.k_proj.weight", keys, s.hidden});
    all.push_back({layer + "self_attn.v_proj.weight", keys, s.hidden});
    all.push_back({layer + "self_attn.o_proj.weight", s.hidden, queries});
    all.push_back({layer + "post_attention_layernorm.weight", 1, s.hidden});
    all.push_back({layer + "mlp.gate_proj.weight", s.feed_forward, s.hidden});
    all.push_back({layer + "mlp.up_proj.weight", s.feed_forward, s.hidden});
    all.push_back({layer + "mlp.down_proj.weight", s.hidden, s.feed_forward});
  }
  all.push_back({"model.norm.weight", 1, s.hidden});
  if (!s.tied_embeddings) all.push_back({"lm_head.weight", s.vocabulary, s.hidden});
  return all;
}

std::uint64_t hash_of(std::string_view name) {  // FNV-1a
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

std::uint64_t mix(std::uint64_t x) {  // the finish of SplitMix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

std::string bytes_of(const std::vector<float>& values, DType dtype) {
  std::string bytes(values.size() * size_of(dtype), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::Float32) {
      std::memcpy(bytes.data() + 4 * i, &values[i], 4);
    } else {
      const std::uint16_t half = dtype == DType::Float16 ? float_to_float16(values[i]) : float_to_bfloat16(values[i]);
      std::memcpy(bytes.data() + 2 * i, &half, 2);
    }
  }
  return bytes;
}

void write_shard(const std::string& path, const std::vector<TensorToWrite>& tensors, DType dtype, std::uint64_t seed) {
  const char* name = dtype == DType::Float32 ? "F32" : dtype == DType::Float16 ? "F16" : "BF16";
  json header = {{"__metadata__", {{"format", "pt"}}}};
  std::int64_t end = 0;
  for (const TensorToWrite& t : tensors) {
    const std::int64_t begin = end;
    end += t.rows * t.cols * static_cast<std::int64_t>(size_of(dtype));
    header[t.name] = {{"dtype", name}, {"shape", t.shape()}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  while (text.size() % 8 != 1) text += ' ';
  std::ofstream out(path, std::ios::binary);
  for (int i = 0; i < 8; ++i) out.put(static_cast<char>(text.size() >> (8 * i)));
  out << text;
  for (const TensorToWrite& t : tensors) out << bytes_of(made_up_tensor(seed, t.name, t.rows, t.cols), dtype);
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

void write_config(const std::string& path, const ModelShape& s, DType dtype) {
  const json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"model_type", "llama"},
                       {"hidden_act", "silu"},
                       {"num_hidden_layers", s.n_layers},
                       {"hidden_size", s.hidden},
                       {"num_attention_heads", s.n_heads},
                       {"num_key_value_heads", s.n_kv_heads},
                       {"head_dim", s.head_size},
                       {"intermediate_size", s.feed_forward},
                       {"vocab_size", s.vocabulary},
                       {"tie_word_embeddings", s.tied_embeddings},
                       {"rms_norm_eps", 1e-5},
                       {"rope_theta", 10000.0},
                       {"max_position_embeddings", 512},
                       {"bos_token_id", 1},
                       {"torch_dtype", std::string(name_of(dtype))}};
  std::ofstream(path) << config.dump(2) << "\n";
}

}  // namespace

std::vector<float> made_up_tensor(std::uint64_t seed, std::string_view name, std::int64_t rows, std::int64_t cols) {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15u;
  const bool norm = name.find("norm") != std::string_view::npos;
  // 2^-6 / sqrt(cols) in whole powers of two; a byte's spread is about 74, so a product's is about that of its input.
  const int log_cols = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(cols - 1)));
  const int exponent = name == "model.embed_tokens.weight" ? 9 : 6 + (log_cols + 1) / 2;
  const float scale = 1.0f / static_cast<float>(std::int64_t{1} << exponent);
  std::vector<float> values(static_cast<std::size_t>(rows * cols));
  std::uint64_t x = hash_of(name) + seed * kStep;
  for (float& v : values) {
    x += kStep;
    const auto byte = static_cast<std::int8_t>(mix(x) >> 56);
    v = norm ? static_cast<float>(128 + (byte >> 4)) / 128.0f : static_cast<float>(byte) * scale;
  }
  return values;
}

void write_model(const std::string& folder, const ModelShape& shape, DType dtype, std::uint64_t seed, int shards) {
  write_config(folder + "/config.json", shape, dtype);
  const std::vector<TensorToWrite> all = tensors_of(shape);
  if (shards == 1) return write_shard(folder + "/model.safetensors", all, dtype, seed);
  json index = {{"metadata", json::object()}, {"weight_map", json::object()}};
  const auto n = static_cast<std::ptrdiff_t>(all.size());
  for (int i = 0; i < shards; ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards);
    const std::vector<TensorToWrite> part(all.begin() + n * i / shards, all.begin() + n * (i + 1) / shards);
    for (const TensorToWrite& t : part) index["weight_map"][t.name] = name;
    write_shard(folder + "/" + name, part, dtype, seed);
  }
  std::ofstream(folder + "/model.safetensors.index.json") << index.dump(2) << "\n";
}

}  // namespace steergrid
