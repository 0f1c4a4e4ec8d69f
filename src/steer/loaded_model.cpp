#include "steer/loaded_model.h"

#include "base/error.h"
#include "engine/checkpoint_weights.h"

namespace steergrid {

LoadedModel load_model(const ModelSpec& spec, const ModelFacts& facts, std::unique_ptr<Backend> backend, Team& team,
                       Residence residence) {
  const ModelConfig config = read_config(spec.path);
  const Checkpoint checkpoint(spec.path);
  checkpoint.check(config);
  LoadedModel model{&spec, config, Tokenizer(spec.path, config.bos_token), std::move(backend), nullptr};
  if (model.tokenizer.size() > config.shape.vocabulary)
    bad_input("{}: tokenizer.model has {} pieces, config.json a vocabulary of {}", spec.path, model.tokenizer.size(),
              config.shape.vocabulary);
  const DType residual = spec.residual_in_model_dtype ? facts.dtype : DType::Float32;
  model.llama =
      std::make_unique<Llama>(*model.backend, team, config, CheckpointWeights(checkpoint), residual, residence);
  return model;
}

}  // namespace steergrid
