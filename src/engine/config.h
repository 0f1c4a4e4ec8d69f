// config.json of a Hugging Face Llama checkpoint. The file is untrusted: every number is checked, and what the engine
// does not implement (rope scaling, biases, another activation, sliding windows, ...) is refused by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/dtype.h"
#include "base/model_shape.h"

namespace steergrid {

struct ModelConfig {
  ModelShape shape;
  float rms_norm_eps = 0;
  float rope_theta = 10000.0f;
  int max_positions = 0;  // max_position_embeddings
  std::int32_t bos_token = 1;
  bool synthetic = false;            // weights that nobody trained: _name_or_path is that of a synthetic model
  std::optional<DType> torch_dtype;  // what the checkpoint says it holds
};

/// Reads `folder`/config.json. Throws Error naming file, key, expected and found.
ModelConfig read_config(const std::string& folder);

}  // namespace steergrid
