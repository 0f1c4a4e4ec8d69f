// A small sweep made by hand, for the store's tests: up to two models and two behaviors, and made-up numbers for every
// unit that anybody can compute again from the unit's index.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "store/rows.h"

namespace steergrid::store {

struct Example {
  SweepSpec spec;
  Plan plan;
  std::string plan_text;
};

inline constexpr const char* kExampleModels[] = {"tiny", "small"};
inline constexpr const char* kExampleBehaviors[] = {"refusal", "hedging"};

struct ExampleSize {
  int pairs = 5, questions = 7;
  int pairs_a_unit = 2, questions_a_unit = 3;
  ActivationStore activations = ActivationStore::None;
  double last_coefficient = 1.5;
  std::size_t models = 2, behaviors = 2;
};

inline DataSet example_data(const std::string& name, int items) {
  DataSet data{"data/" + name + ".json", "00112233445566778899", {}, {}, {}};
  for (int i = 0; i < items; ++i) {
    const bool flipped = i % 2 == 1;
    data.items.push_back({name + " question " + std::to_string(i) + " — größer?", flipped ? "(B)" : "(A)",
                          flipped ? "(A)" : "(B)", flipped ? 'B' : 'A', flipped ? 'A' : 'B'});
  }
  return data;
}

inline void add_example_model(Example& e, int index, const ExampleSize& size) {
  Plan& plan = e.plan;
  ModelPlan model;
  model.model = index;
  model.facts = {{3 + index, 8 * (index + 1), 2, 1, 4, 16, 32, false}, DType::BFloat16, 1, "c0ffee"};
  const auto cut = [&](UnitKind kind, int target, int items, int a_unit) {
    std::vector<int> blocks;
    for (int first = 0; first < items; first += a_unit) {
      blocks.push_back(static_cast<int>(plan.units.size()));
      plan.units.push_back({kind, index, target, first, std::min(a_unit, items - first), 0xabc0u + plan.units.size()});
    }
    return blocks;
  };
  for (int v = 0; v < static_cast<int>(size.behaviors); ++v)
    model.vectors.push_back({v, size.pairs, cut(UnitKind::Extract, v, size.pairs, size.pairs_a_unit), -1});
  for (int v = 0; v < static_cast<int>(size.behaviors); ++v)
    model.vectors[v].unit = cut(UnitKind::Vectors, v, size.pairs, size.pairs).front();
  for (int r = 0; r < static_cast<int>(size.behaviors); ++r) {
    RunPlan& run = model.runs.emplace_back();
    run.run = run.vectors = r;
    run.items = size.questions;
    run.layers = {0, 2};
    run.coefficients = {{-1, 0, size.last_coefficient}, CoefficientUnit::Multiplier};
    run.letters = r == 1 ? std::vector{'A', 'B', 'C'} : std::vector{'A', 'B'};
    run.blocks = cut(UnitKind::Evaluate, r, size.questions, size.questions_a_unit);
  }
  for (int v = 0; v < static_cast<int>(size.behaviors); ++v) model.normalize_over.push_back(v);
  plan.models.push_back(model);
}

inline Example make_example(const ExampleSize& size = {}) {
  Example e;
  e.spec.name = "example";
  e.spec.text = "name: example\nmodels: [tiny, small]  # größer\n";
  e.spec.seed = 7;
  e.spec.activations = size.activations;
  for (const char* name : std::span(kExampleModels).first(size.models)) {
    ModelSpec model;
    model.name = name;
    model.path = std::string("checkpoints/") + name;
    e.spec.models.push_back(model);
  }
  for (const char* name : std::span(kExampleBehaviors).first(size.behaviors)) {
    VectorSource source;
    source.name = name;
    source.pairs = example_data(std::string(name) + "-pairs", size.pairs);
    e.spec.vectors.push_back(source);
    RunSpec run;
    run.name = name;
    run.vectors = static_cast<int>(e.spec.vectors.size()) - 1;
    run.questions = example_data(std::string(name) + "-questions", size.questions);
    e.spec.runs.push_back(run);
  }
  for (int m = 0; m < static_cast<int>(size.models); ++m) add_example_model(e, m, size);
  e.plan.fingerprint = 0x1234567890abcdef + static_cast<std::uint64_t>(size.last_coefficient * 8);
  e.plan_text = "layers of tiny: 3\nlayers of small: 4\ncoefficients of refusal: -1, 0, " +
                std::to_string(size.last_coefficient) + "\n";
  return e;
}

template <class T>
std::vector<T> made_up(int unit, std::size_t count, int salt) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<T>(std::sin(0.1 * unit + 0.7 * static_cast<double>(i) + salt) * 1000);
  return values;
}

inline Block example_block(const Example& e, int unit) {
  const Unit& u = e.plan.units[unit];
  const ModelShape& shape = e.plan.models[u.model].facts.shape;
  const std::size_t cells = static_cast<std::size_t>(shape.n_layers) * shape.hidden;
  return {made_up<double>(unit, cells, 0), made_up<double>(unit, shape.n_layers, 1),
          e.spec.activations == ActivationStore::None ? std::vector<float>{}
                                                      : made_up<float>(unit, cells * 2 * u.count, 2)};
}

inline Vectors example_vectors(const Example& e, int unit) {
  const ModelShape& shape = e.plan.models[e.plan.units[unit].model].facts.shape;
  const auto layers = static_cast<std::size_t>(shape.n_layers);
  return {made_up<float>(unit, layers * shape.hidden, 0), made_up<double>(unit, layers, 1),
          made_up<double>(unit, layers, 2), made_up<double>(unit, layers, 3)};
}

inline Evaluation example_evaluation(const Example& e, int unit) {
  const Unit& u = e.plan.units[unit];
  const RunPlan& run = e.plan.models[u.model].runs[u.target];
  const auto questions = static_cast<std::size_t>(u.count), letters = run.letters.size();
  const std::size_t cells = questions * run.layers.size() * run.coefficients.values.size();
  return {made_up<double>(unit, cells * letters, 0), made_up<std::int32_t>(unit, cells, 1),
          made_up<double>(unit, cells, 2),           made_up<double>(unit, questions * letters, 3),
          made_up<std::int32_t>(unit, questions, 4), made_up<double>(unit, questions, 5)};
}

/// The checksum the unit's record must carry.
inline std::uint64_t example_checksum(const Example& e, int unit) {
  switch (e.plan.units[unit].kind) {
    case UnitKind::Extract: return checksum_of(example_block(e, unit).rows());
    case UnitKind::Vectors: return checksum_of(example_vectors(e, unit).rows());
    case UnitKind::Evaluate: return checksum_of(example_evaluation(e, unit).rows());
  }
  return 0;
}

}  // namespace steergrid::store
