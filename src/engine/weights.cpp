// Names and slices of a Hugging Face Llama's tensors.
#include "engine/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace steergrid {
namespace {

using Cut = Piece::Cut;

Piece norm(std::string name, std::int64_t width) { return {Cut::Norm, std::move(name), 1, width, 0, 1}; }

Piece rows(std::string name, std::int64_t n, std::int64_t k, Share s) {
  return {Cut::Rows, std::move(name), n, k, n / s.ranks * s.rank, n / s.ranks};
}

Piece columns(std::string name, std::int64_t n, std::int64_t k, Share s) {
  return {Cut::Columns, std::move(name), n, k, k / s.ranks * s.rank, k / s.ranks};
}

/// Runs of ceil(V / T) tokens; the last rank's may be shorter.
Piece vocabulary(std::string name, const ModelShape& shape, Share s) {
  const std::int64_t all = shape.vocabulary, run = (all + s.ranks - 1) / s.ranks;
  const std::int64_t first = std::min(all, run * s.rank), count = std::min(run, all - first);
  if (count == 0) bad_input("a vocabulary of {} tokens cannot be shared by {} ranks", all, s.ranks);
  return {Cut::Rows, std::move(name), all, shape.hidden, first, count};
}

}  // namespace

std::vector<Piece> layer_pieces(const ModelShape& s, Share share, int l) {
  const std::string at = fmt::format("model.layers.{}.", l);
  const std::int64_t query = std::int64_t{s.n_heads} * s.head_size;
  const std::int64_t key = std::int64_t{s.n_kv_heads} * s.head_size;
  return {norm(at + "input_layernorm.weight", s.hidden),
          rows(at + "self_attn.q_proj.weight", query, s.hidden, share),
          rows(at + "self_attn.k_proj.weight", key, s.hidden, share),
          rows(at + "self_attn.v_proj.weight", key, s.hidden, share),
          columns(at + "self_attn.o_proj.weight", s.hidden, query, share),
          norm(at + "post_attention_layernorm.weight", s.hidden),
          rows(at + "mlp.gate_proj.weight", s.feed_forward, s.hidden, share),
          rows(at + "mlp.up_proj.weight", s.feed_forward, s.hidden, share),
          columns(at + "mlp.down_proj.weight", s.hidden, s.feed_forward, share)};
}

Piece embedding_piece(const ModelShape& s, Share share) { return vocabulary("model.embed_tokens.weight", s, share); }

Piece final_norm_piece(const ModelShape& s) { return norm("model.norm.weight", s.hidden); }

Piece head_piece(const ModelShape& s, Share share) { return vocabulary("lm_head.weight", s, share); }

LayerWeights next_layer(WeightStream& from) {
  using W = LayerWeights;
  constexpr std::array<Tensor W::*, 9> kInOrder = {&W::attention_norm,    &W::q,    &W::k,  &W::v,   &W::o,
                                                   &W::feed_forward_norm, &W::gate, &W::up, &W::down};
  LayerWeights weights;
  for (Tensor W::*member : kInOrder) weights.*member = from.next();
  return weights;
}

}  // namespace steergrid
