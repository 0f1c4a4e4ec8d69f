// A/B data sets in CAA's JSON format: an array of {question, answer_matching_behavior, answer_not_matching_behavior}.
// Untrusted input.
#pragma once

#include <optional>
#include <string>

#include "spec/sweep_spec.h"

namespace steergrid {

/// Reads at most `limit` items. Throws Error: file, item index, field, expected and found.
DataSet read_data_set(const std::string& path, std::optional<int> limit);

}  // namespace steergrid
