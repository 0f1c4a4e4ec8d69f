// Token statistics of a plan's data sets under each model's own tokenizer; with it, a check of every item's tokens.
#pragma once

#include <string>
#include <vector>

#include "app/prepare.h"
#include "plan/cost.h"

namespace steergrid {

/// One entry a model of the plan. Items that do not tokenize as they must are counted out and described in `problems`
/// (model, data set, item, what is wrong), at most 20 a data set.
std::vector<TokenCounts> count_tokens(const Prepared& prepared, std::vector<std::string>& problems);

}  // namespace steergrid
