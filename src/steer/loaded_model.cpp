#include "steer/loaded_model.h"

#include "engine/model_source.h"

namespace steergrid {

LoadedModel load_model(const ModelSpec& spec, const ModelFacts& facts, std::unique_ptr<Backend> backend, Team& team,
                       Residence residence) {
  const ModelSource source(spec.path);
  source.check();
  LoadedModel model{&spec, source.config(), source.tokenizer(), std::move(backend), nullptr};
  const Rounded to{spec.residual_in_model_dtype ? facts.dtype : DType::Float32, spec.partials};
  model.llama = std::make_unique<Llama>(*model.backend, team, source.config(), source.weights(), to, residence);
  return model;
}

}  // namespace steergrid
