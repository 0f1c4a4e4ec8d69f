// The shape of a Llama-architecture model: the numbers that the spec's checks, the plan and the engine share.
//
// One alphabet for shapes everywhere: T tokens, D hidden, H heads, K key/value heads, E head size, F feed-forward,
// V vocabulary, L layers, R rows in flight; a suffix _r marks one rank's share.
#pragma once

#include <cstdint>

namespace steergrid {

struct ModelShape {
  int n_layers = 0;      // L
  int hidden = 0;        // D
  int n_heads = 0;       // H
  int n_kv_heads = 0;    // K: grouped-query attention where K < H
  int head_size = 0;     // E = D / H unless the config names another
  int feed_forward = 0;  // F
  int vocabulary = 0;    // V
  bool tied_embeddings = false;

  std::int64_t attention_parameters() const {
    return std::int64_t{2} * hidden * n_heads * head_size + std::int64_t{2} * hidden * n_kv_heads * head_size;
  }
  std::int64_t feed_forward_parameters() const { return std::int64_t{3} * hidden * feed_forward; }
  std::int64_t layer_matrix_parameters() const { return attention_parameters() + feed_forward_parameters(); }
  std::int64_t parameters() const {
    const std::int64_t embeddings = std::int64_t{vocabulary} * hidden * (tied_embeddings ? 1 : 2);
    return n_layers * (layer_matrix_parameters() + 2 * std::int64_t{hidden}) + embeddings + hidden;
  }
  /// Whether `degree` ranks can share the heads, key/value heads and feed-forward columns evenly.
  bool divides(int degree) const {
    return degree > 0 && n_heads % degree == 0 && n_kv_heads % degree == 0 && feed_forward % degree == 0;
  }
};

}  // namespace steergrid
