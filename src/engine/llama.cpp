// Loading: names and slices of a Hugging Face Llama checkpoint.
#include "engine/llama.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace steergrid {
namespace {

struct Slice {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

Slice even_slice(std::int64_t total, const Team& team) {
  return {total / team.size() * team.rank(), total / team.size()};
}

/// Runs of ceil(V / T) tokens; the last rank's may be shorter.
Slice vocabulary_slice(std::int64_t vocabulary, const Team& team) {
  const std::int64_t run = (vocabulary + team.size() - 1) / team.size();
  const std::int64_t first = std::min(vocabulary, run * team.rank());
  return {first, std::min(run, vocabulary - first)};
}

/// Copies tensors to the backend and lets the file's pages go.
class Loader {
 public:
  Loader(Backend& backend, const Checkpoint& checkpoint) : backend_(backend), checkpoint_(checkpoint) {}

  Tensor norm(const std::string& name, std::int64_t width) const {
    return finished(name, backend_.load_norm(checkpoint_.matrix(name, 1, width)));
  }
  Tensor rows(const std::string& name, std::int64_t n, std::int64_t k, Slice s) const {
    return finished(name,
                    backend_.load_weight(Checkpoint::row_slice(checkpoint_.matrix(name, n, k), s.first, s.count)));
  }
  Tensor columns(const std::string& name, std::int64_t n, std::int64_t k, Slice s) const {
    return finished(name,
                    backend_.load_weight(Checkpoint::column_slice(checkpoint_.matrix(name, n, k), s.first, s.count)));
  }

 private:
  Tensor finished(const std::string& name, Tensor t) const {
    checkpoint_.release(name);
    return t;
  }
  Backend& backend_;
  const Checkpoint& checkpoint_;
};

LayerWeights load_layer(const Loader& load, const ModelShape& s, const Team& team, int l) {
  const std::string at = fmt::format("model.layers.{}.", l);
  const std::int64_t query = std::int64_t{s.n_heads} * s.head_size;
  const std::int64_t key = std::int64_t{s.n_kv_heads} * s.head_size;
  const Slice q = even_slice(query, team);
  const Slice kv = even_slice(key, team);
  const Slice ff = even_slice(s.feed_forward, team);
  LayerWeights w;
  w.attention_norm = load.norm(at + "input_layernorm.weight", s.hidden);
  w.q = load.rows(at + "self_attn.q_proj.weight", query, s.hidden, q);
  w.k = load.rows(at + "self_attn.k_proj.weight", key, s.hidden, kv);
  w.v = load.rows(at + "self_attn.v_proj.weight", key, s.hidden, kv);
  w.o = load.columns(at + "self_attn.o_proj.weight", s.hidden, query, q);
  w.feed_forward_norm = load.norm(at + "post_attention_layernorm.weight", s.hidden);
  w.gate = load.rows(at + "mlp.gate_proj.weight", s.feed_forward, s.hidden, ff);
  w.up = load.rows(at + "mlp.up_proj.weight", s.feed_forward, s.hidden, ff);
  w.down = load.columns(at + "mlp.down_proj.weight", s.hidden, s.feed_forward, ff);
  return w;
}

}  // namespace

Llama::Llama(Backend& backend, Team& team, const ModelConfig& config, const Checkpoint& checkpoint, DType residual)
    : backend_(backend), team_(team), config_(config), residual_(residual) {
  const ModelShape& s = config.shape;
  const Loader load(backend, checkpoint);
  const Slice tokens = vocabulary_slice(s.vocabulary, team);
  if (tokens.count == 0) bad_input("a vocabulary of {} tokens cannot be shared by {} ranks", s.vocabulary, team.size());
  first_token_ = static_cast<std::int32_t>(tokens.first);
  embedding_ = load.rows("model.embed_tokens.weight", s.vocabulary, s.hidden, tokens);
  for (int l = 0; l < s.n_layers; ++l) layers_.push_back(load_layer(load, s, team, l));
  final_norm_ = load.norm("model.norm.weight", s.hidden);
  if (!s.tied_embeddings) head_ = load.rows("lm_head.weight", s.vocabulary, s.hidden, tokens);

  const std::vector<float> table = rope_table(config.max_positions, s.head_size, config.rope_theta);
  rotary_ = backend.allocate(config.max_positions, s.head_size, DType::Float32);
  backend.upload(rotary_.view(), std::as_bytes(std::span(table)));
}

}  // namespace steergrid
