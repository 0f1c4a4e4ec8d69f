// Joins what each rank of a team says about its slice of the vocabulary into log-probabilities over the whole of it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "comm/team.h"
#include "engine/pass.h"
#include "kernels/backend.h"

namespace steergrid {

/// One Head a row of `mine`, in its order; sums run in rank order, f64. Slices are runs of ceil(V / T) tokens.
/// Collective over the team.
std::vector<Head> combine_heads(const std::vector<HeadRow>& mine, std::span<const std::int32_t> selected,
                                int vocabulary, Team& team);

}  // namespace steergrid
