#include "farm/plan_facts.h"

#include <set>

namespace steergrid {

std::vector<int> degrees_of(const Plan& plan) {
  std::set<int> degrees;
  for (const ModelPlan& model : plan.models) degrees.insert(model.facts.tensor_parallel);
  return {degrees.begin(), degrees.end()};
}

std::optional<int> payload_key(const Plan& plan, const Order& order) {
  const Unit& unit = plan.units.at(static_cast<std::size_t>(order.unit));
  if (unit.kind != UnitKind::Evaluate || order.mode == RunMode::BaselineOnly) return std::nullopt;
  const ModelPlan& model = plan.models.at(static_cast<std::size_t>(unit.model));
  const RunPlan& run = model.runs.at(static_cast<std::size_t>(unit.target));
  return model.vectors.at(static_cast<std::size_t>(run.vectors)).unit;
}

}  // namespace steergrid
