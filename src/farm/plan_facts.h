// Two questions the farm asks of a plan.
#pragma once

#include <optional>
#include <vector>

#include "farm/unit_queue.h"

namespace steergrid {

/// The tensor-parallel degrees of the plan's models, ascending, each once: what Topology needs.
std::vector<int> degrees_of(const Plan& plan);

/// The Vectors unit whose payload an order needs; nullopt for Extract units and baselines.
std::optional<int> payload_key(const Plan& plan, const Order& order);

}  // namespace steergrid
