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

/// The types that a pass rounds to besides the compute type.
struct Rounded {
  DType residual = DType::Float32;  // the residual stream, after each block
  DType partials = DType::Float32;  // what a rank of a team of several contributes to it: float32 or bfloat16
};

class Llama {
 public:
  /// Loads this rank's share; `source` is not needed afterwards. Throws Error naming a missing or misshapen tensor.
  /// Independent: members may load at different speeds.
  Llama(Backend& backend, Team& team, const ModelConfig& config, const WeightSource& source, Rounded to,
        Residence residence = Residence::Resident);

  Backend& backend() const { return backend_; }
  Team& team() const { return team_; }
  const ModelConfig& config() const { return config_; }
  const ModelShape& shape() const { return config_.shape; }
  DType residual() const { return to_.residual; }
  /// Float32 in a team of one: nothing is moved there.
  DType partials() const { return team_.size() > 1 ? to_.partials : DType::Float32; }
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
  Rounded to_;
  std::int32_t first_token_ = 0;
  Tensor embedding_, final_norm_, head_, rotary_;
  std::unique_ptr<Layers> layers_;
};

}  // namespace steergrid
