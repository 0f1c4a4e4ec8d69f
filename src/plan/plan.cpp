// make_plan: which vectors and runs each model takes part in, the checks against its shape, and the units in their
// order. What the results depend on, and the fingerprint of it, is in identity.cpp.
#include "plan/plan.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "plan/identity.h"
#include "spec/check_models.h"
#include "spec/layers.h"
#include "spec/problems.h"

namespace steergrid {

namespace {

const Coefficients& coefficients_of(const SweepSpec& spec, const ModelSpec& model, const RunSpec& run) {
  if (run.coefficients) return *run.coefficients;
  return model.coefficients ? *model.coefficients : spec.coefficients;
}

/// The vector sources whose norms are averaged; none without normalization.
std::vector<int> normalization_set(const SweepSpec& spec) {
  if (spec.method.normalize == Method::Normalize::None) return {};
  if (!spec.method.over.empty()) return spec.method.over;
  std::vector<int> all(spec.vectors.size());
  for (std::size_t v = 0; v < all.size(); ++v) all[v] = static_cast<int>(v);
  return all;
}

int index_of(const ModelPlan& plan, int source) {
  const auto at =
      std::find_if(plan.vectors.begin(), plan.vectors.end(), [&](const VectorPlan& v) { return v.source == source; });
  return static_cast<int>(at - plan.vectors.begin());
}

RunPlan plan_run(const SweepSpec& spec, const ModelSpec& model, std::size_t r, const ModelPlan& so_far,
                 SpecProblems& problems) {
  const RunSpec& run = spec.runs[r];
  RunPlan plan;
  plan.run = static_cast<int>(r);
  plan.vectors = index_of(so_far, run.vectors);
  plan.items = static_cast<int>(run.questions.items.size());
  plan.coefficients = coefficients_of(spec, model, run);
  plan.letters = letters_of(run.questions.items);
  const LayerSelection& selection = selection_of(spec, model, run);
  std::string problem;
  plan.layers = layers_of(selection, so_far.facts.shape.n_layers, problem);
  if (!problem.empty()) problems.add(selection.mark, fmt::format("{} (model '{}')", problem, model.name));
  if (plan.coefficients.values.empty())
    problems.add(run.mark, fmt::format("expected coefficients for the run '{}', found none", run.name));
  return plan;
}

ModelPlan plan_model(const SweepSpec& spec, int m, const ModelFacts& facts, SpecProblems& problems) {
  const ModelSpec& model = spec.models[static_cast<std::size_t>(m)];
  ModelPlan plan;
  plan.model = m;
  plan.facts = facts;
  check_shape(model, facts.shape, facts.tensor_parallel, problems);
  for (const int v : sources_of(spec, model)) {
    const auto items = static_cast<int>(spec.vectors[static_cast<std::size_t>(v)].pairs.items.size());
    plan.vectors.push_back({v, items, {}, -1});
  }
  for (const int v : normalization_set(spec)) plan.normalize_over.push_back(index_of(plan, v));
  for (std::size_t r = 0; r < spec.runs.size(); ++r)
    if (takes_part(model, spec.runs[r])) plan.runs.push_back(plan_run(spec, model, r, plan, problems));
  return plan;
}

/// Cuts `items` into blocks of `size` and adds a unit for each; returns their ids.
std::vector<int> add_blocks(Plan& plan, UnitKind kind, int model, int target, int items, int size) {
  std::vector<int> ids;
  for (int first = 0; first < items; first += size) {
    ids.push_back(static_cast<int>(plan.units.size()));
    plan.units.push_back({kind, model, target, first, std::min(size, items - first), 0});
  }
  return ids;
}

void add_units(const UnitSizes& sizes, Plan& plan, int m) {
  ModelPlan& model = plan.models[static_cast<std::size_t>(m)];
  for (std::size_t v = 0; v < model.vectors.size(); ++v)
    model.vectors[v].blocks =
        add_blocks(plan, UnitKind::Extract, m, static_cast<int>(v), model.vectors[v].items, sizes.pairs);
  for (std::size_t v = 0; v < model.vectors.size(); ++v) {
    VectorPlan& vectors = model.vectors[v];
    vectors.unit = add_blocks(plan, UnitKind::Vectors, m, static_cast<int>(v), vectors.items, vectors.items).front();
  }
  for (std::size_t r = 0; r < model.runs.size(); ++r)
    model.runs[r].blocks =
        add_blocks(plan, UnitKind::Evaluate, m, static_cast<int>(r), model.runs[r].items, sizes.questions);
}

/// What read_spec promises; a spec made by hand must keep it too.
void check_spec(const SweepSpec& spec, std::size_t n_facts) {
  const auto empty = [](const auto& e) { return e.items.empty(); };
  for (const VectorSource& v : spec.vectors)
    if (empty(v.pairs)) bad_input("behavior '{}': expected at least one pair, found none", v.name);
  for (const RunSpec& r : spec.runs)
    if (empty(r.questions)) bad_input("run '{}': expected at least one question, found none", r.name);
  if (spec.units.pairs < 1 || spec.units.questions < 1)
    bad_input("units: expected sizes of 1 or more, found {} and {}", spec.units.pairs, spec.units.questions);
  if (n_facts != spec.models.size()) failed("expected facts about {} models, found {}", spec.models.size(), n_facts);
}

}  // namespace

std::vector<char> letters_of(const std::vector<AbItem>& items) {
  std::set<char> letters{'A', 'B'};
  for (const AbItem& item : items) letters.insert({item.matching, item.other});
  return {letters.begin(), letters.end()};
}

std::vector<int> sources_of(const SweepSpec& spec, const ModelSpec& model) {
  std::set<int> sources;
  if (!model.runs)
    for (std::size_t v = 0; v < spec.vectors.size(); ++v) sources.insert(static_cast<int>(v));
  for (const RunSpec& run : spec.runs)
    if (takes_part(model, run)) sources.insert(run.vectors);
  for (const int v : normalization_set(spec)) sources.insert(v);
  return {sources.begin(), sources.end()};
}

std::string_view name_of(UnitKind kind) {
  switch (kind) {
    case UnitKind::Extract: return "extract";
    case UnitKind::Vectors: return "vectors";
    case UnitKind::Evaluate: return "evaluate";
  }
  return "?";
}

Plan make_plan(const SweepSpec& spec, const std::vector<ModelFacts>& facts) {
  check_spec(spec, facts.size());
  SpecProblems problems;
  Plan plan;
  for (std::size_t m = 0; m < facts.size(); ++m)
    plan.models.push_back(plan_model(spec, static_cast<int>(m), facts[m], problems));
  problems.throw_if_any();
  for (std::size_t m = 0; m < facts.size(); ++m) add_units(spec.units, plan, static_cast<int>(m));
  identify_units(plan, spec);
  plan.fingerprint = fingerprint_of(describe(plan, spec));
  return plan;
}

}  // namespace steergrid
