// What `steergrid plan` prints: the sweep as tables, for a terminal of 100 columns or so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/cost.h"

namespace steergrid {

/// One model of the plan, priced.
struct PricedModel {
  ModelCost cost;
  MemoryModel memory;     // of a rank
  std::string fits = {};  // what print_fits gave, where devices were named
};

/// The text, lines ended. `models` as Plan::models. With `ranks`, the teams of each model too; throws Error (bad input,
/// all models at once) if no team fits.
std::string print_plan(const SweepSpec& spec, const Plan& plan, const std::vector<PricedModel>& models,
                       std::optional<int> ranks);

/// "1.23 PFLOP", "4.5 GiB", "12.3 M"; small whole numbers as they are.
std::string human_flops(double flops);
std::string human_bytes(std::int64_t bytes);
std::string human_count(std::int64_t count);

}  // namespace steergrid
