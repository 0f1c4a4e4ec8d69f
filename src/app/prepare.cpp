#include "app/prepare.h"

#include <cstring>

#include "app/inspect_model.h"
#include "engine/checkpoint.h"
#include "engine/config.h"
#include "store/identity.h"

namespace steergrid {
namespace {

struct Word {
  std::int32_t dtype, tensor_parallel;
};

/// `auto` means: the checkpoint's own dtype, and on CPUs one rank a copy (the ranks of a node share its memory anyway).
Choice choose(const ModelSpec& model, const Checkpoint& checkpoint, const std::optional<Choice>& decided) {
  const Choice automatic = decided.value_or(Choice{checkpoint.dtype(), 1});
  return {model.dtype.value_or(automatic.dtype), model.tensor_parallel.value_or(automatic.tensor_parallel)};
}

/// What an existing output was made with, by model.
std::vector<std::optional<Choice>> stored(const SweepSpec& spec) {
  std::vector<std::optional<Choice>> choices(spec.models.size());
  if (const auto file = store::stored_choices(spec.output)) {
    for (std::size_t i = 0; i < choices.size(); ++i) {
      const auto found = file->find(spec.models[i].name);
      if (found != file->end()) choices[i] = Choice{found->second.dtype, found->second.tensor_parallel};
    }
  }
  return choices;
}

}  // namespace

Prepared prepare(const std::string& spec_file, Look look, bool full_hash,
                 const std::optional<std::vector<Choice>>& choices) {
  Prepared p;
  p.spec = read_spec(spec_file, [&](const SweepSpec& spec, const ModelSpec& model, SpecProblems& problems) {
    const Checkpoint headers(model.path);  // their problems are told too
    const ModelConfig config = read_config(model.path);
    if (look == Look::AtEverything) {
      check_tensors(headers, config, model, problems);
      p.tokens.push_back(count_tokens(spec, model, config, problems));
    }
    return config.shape;
  });
  std::vector<std::optional<Choice>> decided;
  if (choices) {
    decided.assign(choices->begin(), choices->end());
    decided.resize(p.spec.models.size());
  } else {
    decided = stored(p.spec);
  }
  for (std::size_t i = 0; i < p.spec.models.size(); ++i) {
    const ModelSpec& model = p.spec.models[i];
    const Checkpoint checkpoint(model.path);
    const Choice choice = choose(model, checkpoint, decided[i]);
    p.facts.push_back({.shape = read_config(model.path).shape,
                       .dtype = choice.dtype,
                       .tensor_parallel = choice.tensor_parallel,
                       .identity = checkpoint_identity(model.path, full_hash)});
  }
  p.plan = make_plan(p.spec, p.facts);
  return p;
}

std::vector<std::byte> encode(const Prepared& prepared) {
  std::vector<std::byte> bytes(sizeof(std::uint64_t) + prepared.facts.size() * sizeof(Word));
  std::memcpy(bytes.data(), &prepared.plan.fingerprint, sizeof(std::uint64_t));
  for (std::size_t i = 0; i < prepared.facts.size(); ++i) {
    const Word word{static_cast<std::int32_t>(prepared.facts[i].dtype), prepared.facts[i].tensor_parallel};
    std::memcpy(bytes.data() + sizeof(std::uint64_t) + i * sizeof(Word), &word, sizeof(Word));
  }
  return bytes;
}

std::vector<Choice> decode_facts(std::span<const std::byte> bytes) {
  std::vector<Choice> choices((bytes.size() - sizeof(std::uint64_t)) / sizeof(Word));
  for (std::size_t i = 0; i < choices.size(); ++i) {
    Word word;
    std::memcpy(&word, bytes.data() + sizeof(std::uint64_t) + i * sizeof(Word), sizeof(Word));
    choices[i] = {static_cast<DType>(word.dtype), word.tensor_parallel};
  }
  return choices;
}

}  // namespace steergrid
