// Everything a team member holds of one model: backend, tokenizer, weights. Made once a stage, used by its units.
#pragma once

#include <memory>

#include "comm/team.h"
#include "engine/llama.h"
#include "engine/tokenizer.h"
#include "kernels/backend.h"
#include "plan/plan.h"
#include "spec/sweep_spec.h"

namespace steergrid {

struct LoadedModel {
  const ModelSpec* spec = nullptr;
  ModelConfig config;
  Tokenizer tokenizer;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Llama> llama;
};

/// Loads this member's share. Throws Error naming file and tensor. Independent.
LoadedModel load_model(const ModelSpec& spec, const ModelFacts& facts, std::unique_ptr<Backend> backend, Team& team,
                       Residence residence = Residence::Resident);

}  // namespace steergrid
