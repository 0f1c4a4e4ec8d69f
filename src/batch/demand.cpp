#include "batch/demand.h"

#include <algorithm>

namespace steergrid {
namespace {

/// FLOPs of a unit: its items' share of its target's.
double flops_of(const Unit& unit, const ModelPlan& model, const ModelCost& cost) {
  const auto target = static_cast<std::size_t>(unit.target);
  if (unit.kind == UnitKind::Extract)
    return cost.vectors[target].flops * unit.count / std::max(1, model.vectors[target].items);
  if (unit.kind == UnitKind::Evaluate)
    return cost.runs[target].flops * unit.count / std::max(1, model.runs[target].items);
  return 0;  // Vectors units: the coordinator's, a moment each
}

}  // namespace

SweepDemand demand_of(const SweepSpec& spec, const Plan& plan, const std::vector<ModelCost>& costs,
                      const std::vector<MemoryModel>& memory, const std::vector<bool>& streamed) {
  SweepDemand demand{spec.name, {}};
  for (std::size_t m = 0; m < plan.models.size(); ++m) {
    const ModelPlan& model = plan.models[m];
    ModelDemand d;
    d.name = spec.models[static_cast<std::size_t>(model.model)].name;
    d.degree = model.facts.tensor_parallel;
    d.weights = memory[m].weights * d.degree;
    d.streamed = streamed[m];
    d.rank_bytes = memory[m].total();
    d.host_buffers = memory[m].host_buffers;
    d.flops = costs[m].total.flops;
    for (const Unit& unit : plan.units) {
      if (unit.model != static_cast<int>(m) || unit.kind == UnitKind::Vectors) continue;
      d.units += 1;
      d.longest_unit = std::max(d.longest_unit, flops_of(unit, model, costs[m]));
    }
    demand.models.push_back(std::move(d));
  }
  return demand;
}

}  // namespace steergrid
