// What a spec's `path` names, opened: a checkpoint folder in Hugging Face's layout, or a synthetic model ("random:...",
// synthetic_model.h). Everyone who needs a model's shape, tokenizer, identity or weights asks here and does not ask
// which of the two it is.
#pragma once

#include <memory>
#include <string>

#include "engine/checkpoint_weights.h"
#include "engine/config.h"
#include "engine/tokenizer.h"
#include "engine/weights.h"

namespace steergrid {

class ModelSource {
 public:
  /// Reads config and headers (or the name). Throws Error saying what is wrong with them.
  explicit ModelSource(std::string path);

  const std::string& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  const ModelShape& shape() const { return config_.shape; }
  const WeightSource& weights() const { return *weights_; }
  /// The type of the weights as they are kept: what `dtype: auto` means.
  DType dtype() const;
  /// Throws Error if a checkpoint's tensors are not those of its config.
  void check() const;
  /// The model's tokenizer. Throws Error if it is missing, none, or has more pieces than the model's vocabulary.
  Tokenizer tokenizer() const;
  /// 16 hex digits of a checkpoint (checkpoint.h; `full` reads all of it), or a synthetic model written out in full.
  std::string identity(bool full) const;

 private:
  std::string path_;
  ModelConfig config_;
  std::unique_ptr<const Checkpoint> checkpoint_;  // none: synthetic
  std::unique_ptr<const WeightSource> weights_;
};

}  // namespace steergrid
