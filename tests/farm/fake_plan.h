// Plans without a spec: models x sources x blocks, and one run a source.
#pragma once

#include "plan/plan.h"

namespace steergrid {

struct FakeModel {
  int sources = 2;
  int extract_blocks = 3;   // a source
  int evaluate_blocks = 4;  // a run
  bool normalize = true;    // over all sources
  int tensor_parallel = 1;
};

inline Plan fake_plan(const std::vector<FakeModel>& models) {
  Plan plan;
  for (const FakeModel& fake : models) {
    const int m = static_cast<int>(plan.models.size());
    ModelPlan model;
    model.model = m;
    model.facts.tensor_parallel = fake.tensor_parallel;
    model.facts.shape = {.n_layers = 2,
                         .hidden = 8,
                         .n_heads = 2,
                         .n_kv_heads = 2,
                         .head_size = 4,
                         .feed_forward = 16,
                         .vocabulary = 32,
                         .tied_embeddings = false};
    const auto add = [&](UnitKind kind, int target, int first, int count) {
      plan.units.push_back({kind, m, target, first, count, plan.units.size()});
      return static_cast<int>(plan.units.size()) - 1;
    };
    model.vectors.resize(static_cast<std::size_t>(fake.sources));
    model.runs.resize(static_cast<std::size_t>(fake.sources));
    for (int v = 0; v < fake.sources; ++v) {
      VectorPlan& source = model.vectors[static_cast<std::size_t>(v)];
      source.source = v;
      source.items = 8 * fake.extract_blocks;
      if (fake.normalize) model.normalize_over.push_back(v);
      for (int b = 0; b < fake.extract_blocks; ++b) source.blocks.push_back(add(UnitKind::Extract, v, 8 * b, 8));
    }
    for (int v = 0; v < fake.sources; ++v)
      model.vectors[static_cast<std::size_t>(v)].unit = add(UnitKind::Vectors, v, 0, 1);
    for (int r = 0; r < fake.sources; ++r) {
      RunPlan& run = model.runs[static_cast<std::size_t>(r)];
      run.run = run.vectors = r;
      run.items = 10 * fake.evaluate_blocks;
      run.layers = {0, 1};
      run.coefficients.values = {-1, 0, 1};
      for (int b = 0; b < fake.evaluate_blocks; ++b) run.blocks.push_back(add(UnitKind::Evaluate, r, 10 * b, 10));
    }
    plan.models.push_back(std::move(model));
  }
  return plan;
}

inline const Unit& unit_of(const Plan& plan, int unit) { return plan.units[static_cast<std::size_t>(unit)]; }

}  // namespace steergrid
