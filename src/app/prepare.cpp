#include "app/prepare.h"

#include <array>
#include <cstring>

#include "app/inspect_model.h"
#include "app/memory_options.h"
#include "app/untrusted_result.h"
#include "base/error.h"
#include "engine/model_source.h"
#include "plan/print.h"
#include "store/identity.h"

namespace steergrid {
namespace {

/// One model as rank 0 tells it; its two texts follow.
struct Word {
  std::int32_t dtype, tensor_parallel, identity, fingerprint;  // the last two: bytes
};

/// The smallest degree whose ranks hold a model, or stream it. Throws Error (bad input) if none can.
int degree_that_fits(const ModelSpec& model, const ModelShape& shape, DType dtype, const Devices& gpus) {
  const ModelFacts facts{.shape = shape, .dtype = dtype, .identity = {}};
  const auto fit = smallest_fit(facts, memory_options(true, kRowsInFlight), model.weights, gpus);
  if (!fit)
    bad_input("{}: model '{}': expected GPUs that can hold it, found {} of {}: too small at every degree of 1, 2, 4, 8",
              model.tensor_parallel_mark.text(), model.name, gpus.count, human_bytes(gpus.memory));
  return fit->degree;
}

/// `auto` means: the checkpoint's own dtype, and the smallest degree that fits the GPUs; on CPUs one rank a copy (the
/// ranks of a node share its memory anyway).
Choice choose(const ModelSpec& model, const ModelSource& source, const std::optional<Choice>& decided,
              const GpuChoice& gpus) {
  Choice choice = decided.value_or(Choice{source.dtype(), 1, {}});
  choice.dtype = model.dtype.value_or(choice.dtype);
  if (model.partials == DType::BFloat16 && choice.dtype != DType::BFloat16)
    bad_input("{}: model '{}': partials: bfloat16: expected a model that computes in bfloat16, found {}",
              model.partials_mark.text(), model.name, name_of(choice.dtype));
  if (model.tensor_parallel)
    choice.tensor_parallel = *model.tensor_parallel;
  else if (!decided && gpus)
    choice.tensor_parallel = degree_that_fits(model, source.shape(), choice.dtype, *gpus);
  return choice;
}

/// What an existing output was made with, by model.
std::vector<std::optional<Choice>> stored(const SweepSpec& spec) {
  std::vector<std::optional<Choice>> choices(spec.models.size());
  try_in_a_child(untrusted_result(spec.output), [&] { store::stored_choices(spec.output); });
  if (const auto file = store::stored_choices(spec.output)) {
    for (std::size_t i = 0; i < choices.size(); ++i) {
      const auto found = file->find(spec.models[i].name);
      if (found != file->end()) choices[i] = Choice{found->second.dtype, found->second.tensor_parallel, {}};
    }
  }
  return choices;
}

}  // namespace

Prepared prepare(const std::string& spec_file, Look look, bool full_hash,
                 const std::optional<std::vector<Choice>>& choices, const GpuChoice& gpus) {
  Prepared p;
  p.spec = read_spec(spec_file, [&](const SweepSpec& spec, const ModelSpec& model, SpecProblems& problems) {
    const ModelSource source(model.path);
    if (look == Look::AtEverything) {
      check_tensors(source, model, problems);
      p.tokens.push_back(count_tokens(spec, model, source, problems));
    }
    return source.shape();
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
    const ModelSource source(model.path);
    Choice choice = choose(model, source, decided[i], gpus);
    p.fingerprints.push_back(source.identity(false));
    if (choice.identity.empty()) choice.identity = full_hash ? source.identity(true) : p.fingerprints.back();
    p.facts.push_back({.shape = source.shape(),
                       .dtype = choice.dtype,
                       .tensor_parallel = choice.tensor_parallel,
                       .identity = choice.identity,
                       .synthetic = source.config().synthetic});
  }
  p.plan = make_plan(p.spec, p.facts);
  return p;
}

std::vector<std::byte> encode(const Prepared& prepared) {
  std::vector<std::byte> bytes;
  const auto add = [&bytes](const auto& values) {
    const auto raw = std::as_bytes(std::span(values));
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  };
  add(std::array{prepared.plan.fingerprint});
  for (std::size_t i = 0; i < prepared.facts.size(); ++i) {
    const ModelFacts& facts = prepared.facts[i];
    const std::string& fingerprint = prepared.fingerprints[i];
    add(std::array{Word{static_cast<std::int32_t>(facts.dtype), facts.tensor_parallel,
                        static_cast<std::int32_t>(facts.identity.size()),
                        static_cast<std::int32_t>(fingerprint.size())}});
    add(facts.identity);
    add(fingerprint);
  }
  return bytes;
}

std::vector<Choice> decode_choices(std::span<const std::byte> bytes) {
  std::vector<Choice> choices;
  for (std::size_t at = sizeof(std::uint64_t); at < bytes.size();) {
    Word word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    at += sizeof word;
    const char* identity = reinterpret_cast<const char*>(bytes.data() + at);
    const auto size = static_cast<std::size_t>(word.identity);
    choices.push_back({static_cast<DType>(word.dtype), word.tensor_parallel, {identity, size}});
    at += size + static_cast<std::size_t>(word.fingerprint);
  }
  return choices;
}

}  // namespace steergrid
