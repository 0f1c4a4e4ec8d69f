// What a unit yields: complete or absent. Plain host arrays, ready to be stored; nothing here knows a result file.
#pragma once

#include <cstdint>
#include <vector>

namespace steergrid {

/// Extract: over the unit's pairs, for all layers of the model.
struct ExtractResult {
  std::vector<double> sums;        // [layer, hidden] sums of (matching - other)
  std::vector<double> norm_sums;   // [layer] sums of ||h|| over pairs and members
  std::vector<float> activations;  // [pair, member, layer, hidden], only if asked for
};

/// Evaluate: over the unit's questions. Q questions, L layers, C coefficients, A letters.
struct EvaluateResult {
  std::vector<double> letter_logprob;    // [Q, L, C, A]; NaN where steered cells are blocked
  std::vector<std::int32_t> top_token;   // [Q, L, C]
  std::vector<double> top_logprob;       // [Q, L, C]
  std::vector<double> baseline_logprob;  // [Q, A]
  std::vector<std::int32_t> baseline_top_token;
  std::vector<double> baseline_top_logprob;
};

}  // namespace steergrid
