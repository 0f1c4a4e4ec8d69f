// A Llama model as one rank of a team holds it: weights on a backend, sliced for tensor parallelism (weights.h). It
// computes nothing itself; `Pass` walks rows through it.
#pragma once

#include <cstdint>

#include "comm/team.h"
#include "engine/config.h"
#include "engine/layers.h"
#include "engine/weights.h"
#include "kernels/backend.h"

namespace steergrid {

/// Where the blocks' weights are: all in memory, or two blocks at a time, read again each pass. The same bits.
enum class Residence : std::uint8_t { Resident, Streamed };

class Llama {
 public:
  /// Loads this rank's share; `source` is not needed afterwards. `residual` is the type the residual stream is rounded
  /// to after each block. Throws Error naming a missing or misshapen tensor. Independent: members may load at different
  /// speeds.
  Llama(Backend& backend, Team& team, const ModelConfig& config, const WeightSource& source, DType residual,
        Residence residence = Residence::Resident);

  Backend& backend() const { return backend_; }
  Team& team() const { return team_; }
  const ModelConfig& config() const { return config_; }
  const ModelShape& shape() const { return config_.shape; }
  DType residual() const { return residual_; }
  /// See Layers::at: valid until the next call.
  const LayerWeights& layer(int l) { return layers_->at(l); }
  LayerTraffic traffic() const { return layers_->traffic(); }
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
  std::unique_ptr<Layers> layers_;
};

}  // namespace steergrid
