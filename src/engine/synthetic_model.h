// Models of a given shape with made-up weights, for benchmarks and trials of capacity; what they answer means nothing.
//
//   random:llama-2-7b                      llama-2-7b, llama-2-13b, llama-2-70b: the shapes of Llama 2
//   random:llama-2-70b,layers=24?seed=3    numbers after a name replace the name's
//   random:hidden=256,layers=4,heads=8     or give all of them
//
// Keys: hidden, layers, heads (needed without a name); kv_heads (as heads), head_size (hidden / heads), feed_forward
// (8/3 of hidden, up to a multiple of 256), vocabulary (32000), positions (4096). seed is 0 unless given.
// The weights are those of kernels/synthetic.h, a tensor's number being XXH3 of its name; norms are 1. A cut model's
// tensors are those of the whole one. Called through model_source.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/config.h"
#include "engine/weights.h"

namespace steergrid {

/// What `dtype: auto` means: Llama 2's own.
inline constexpr DType kSyntheticDType = DType::Float16;

struct SyntheticModel {
  ModelConfig config;
  std::uint64_t seed = 0;

  /// The model written out in full, "random:hidden=...,layers=...?seed=0": two names of one model give one text. It is
  /// the model's identity.
  std::string canonical() const;
};

/// Reads "random:...". Throws Error with all that is wrong with it.
SyntheticModel parse_synthetic(std::string_view path);

/// The piece of a model of `seed`, which is no norm.
SyntheticPart synthetic_part(std::uint64_t seed, const Piece& piece);

class SyntheticWeights final : public WeightSource {
 public:
  explicit SyntheticWeights(std::uint64_t seed) : seed_(seed) {}
  std::unique_ptr<WeightStream> open(Backend& on, std::vector<Piece> pieces, bool over_and_over) const override;

 private:
  std::uint64_t seed_;
};

}  // namespace steergrid
