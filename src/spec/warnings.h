// What a spec may ask for and its author probably did not mean. Never an error: a sweep with warnings runs as one
// without.
#pragma once

#include <string>
#include <vector>

#include "spec/sweep_spec.h"

namespace steergrid {

/// A line each, with its place: a limit above what a file holds, questions that stand twice in a file, questions that
/// the vectors they test were made from.
std::vector<std::string> warnings_of(const SweepSpec& spec);

}  // namespace steergrid
