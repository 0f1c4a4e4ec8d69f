// A Llama model as one rank of a team holds it: weights on a backend, sliced for tensor parallelism. It computes
// nothing itself; `Pass` walks rows through it.
//
// Slices (rank t of T): q, k, v, gate, up by rows; o and down by columns; embedding and head by vocabulary, in runs of
// ceil(V / T) tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/team.h"
#include "engine/checkpoint.h"
#include "engine/config.h"
#include "kernels/backend.h"

namespace steergrid {

struct LayerWeights {
  Tensor attention_norm, q, k, v, o;
  Tensor feed_forward_norm, gate, up, down;
};

class Llama {
 public:
  /// Loads this rank's share. `residual` is the type the residual stream is rounded to after each block.
  /// Throws Error naming a missing or misshapen tensor. Independent: members may load at different speeds.
  Llama(Backend& backend, Team& team, const ModelConfig& config, const Checkpoint& checkpoint, DType residual);

  Backend& backend() const { return backend_; }
  Team& team() const { return team_; }
  const ModelConfig& config() const { return config_; }
  const ModelShape& shape() const { return config_.shape; }
  DType residual() const { return residual_; }
  const LayerWeights& layer(int l) const { return layers_[static_cast<std::size_t>(l)]; }
  const Tensor& embedding() const { return embedding_; }
  const Tensor& final_norm() const { return final_norm_; }
  const Tensor& head() const { return config_.shape.tied_embeddings ? embedding_ : head_; }
  const Tensor& rotary() const { return rotary_; }
  std::int32_t first_token() const { return first_token_; }  // of this rank's vocabulary slice

 private:
  Backend& backend_;
  Team& team_;
  ModelConfig config_;
  DType residual_;
  std::int32_t first_token_ = 0;
  Tensor embedding_, final_norm_, head_, rotary_;
  std::vector<LayerWeights> layers_;
};

}  // namespace steergrid
