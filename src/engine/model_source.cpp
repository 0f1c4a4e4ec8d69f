#include "engine/model_source.h"

#include <utility>

#include "base/error.h"
#include "base/model_path.h"
#include "engine/byte_tokenizer.h"
#include "engine/synthetic_model.h"

namespace steergrid {

ModelSource::ModelSource(std::string path) : path_(std::move(path)) {
  if (is_synthetic(path_)) {
    const SyntheticModel model = parse_synthetic(path_);
    config_ = model.config;
    weights_ = std::make_unique<SyntheticWeights>(model.seed);
  } else {
    checkpoint_ = std::make_unique<Checkpoint>(path_);
    weights_ = std::make_unique<CheckpointWeights>(*checkpoint_);
    config_ = read_config(path_);
  }
}

DType ModelSource::dtype() const { return checkpoint_ ? checkpoint_->dtype() : kSyntheticDType; }

void ModelSource::check() const {
  if (checkpoint_) checkpoint_->check(config_);
}

Tokenizer ModelSource::tokenizer() const {
  if (!checkpoint_) return Tokenizer::from_model(byte_tokenizer_model(), path_, config_.bos_token);
  Tokenizer tokenizer(path_, config_.bos_token);
  if (tokenizer.size() > config_.shape.vocabulary)
    bad_input("{}: tokenizer.model has {} pieces, config.json a vocabulary of {}", path_, tokenizer.size(),
              config_.shape.vocabulary);
  return tokenizer;
}

std::string ModelSource::identity(bool full) const {
  return checkpoint_ ? checkpoint_identity(path_, full) : parse_synthetic(path_).canonical();
}

}  // namespace steergrid
