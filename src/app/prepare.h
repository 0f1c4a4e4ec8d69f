// From a spec file to a plan: reads the spec, looks at the models' config and headers, resolves `auto`, expands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/cost.h"
#include "plan/fit.h"
#include "plan/plan.h"
#include "spec/sweep_spec.h"

namespace steergrid {

struct Prepared {
  SweepSpec spec;
  std::vector<ModelFacts> facts;          // one a model of the spec
  std::vector<std::string> fingerprints;  // one a model: of samples of its files, whatever identifies it in `facts`
  Plan plan;
  std::vector<TokenCounts> tokens;  // one a model of the plan; none with Look::AtHeaders
};

/// How far the models are looked into: at config.json and the headers of their tensors, which is enough for the plan,
/// or also at every tensor's shape and every item's tokens, so that all that can be wrong is told before a run.
enum class Look : std::uint8_t { AtHeaders, AtEverything };

/// What was decided for one model: what `auto` means, and what identifies it.
struct Choice {
  DType dtype = DType::Float32;
  int tensor_parallel = 1;
  std::string identity;  // empty: nobody has looked
};

/// The GPUs a sweep may use: what `tensor_parallel: auto` looks at. None: it runs on CPUs.
using GpuChoice = std::optional<Devices>;

/// Needs neither MPI nor a GPU. `choices` (one a model) overrule what `auto` would mean here; without them those of an
/// existing output do, else this machine decides. `full_hash` reads whole checkpoints for their identity, where no
/// choice gives it. Throws Error.
Prepared prepare(const std::string& spec_file, Look look, bool full_hash,
                 const std::optional<std::vector<Choice>>& choices, const GpuChoice& gpus = std::nullopt);

/// The plan's fingerprint, the choices and the models' fingerprints as bytes: what rank 0 tells the others. Who makes
/// other bytes of these choices sees other files, at least where they are sampled.
std::vector<std::byte> encode(const Prepared& prepared);
std::vector<Choice> decode_choices(std::span<const std::byte> bytes);

}  // namespace steergrid
