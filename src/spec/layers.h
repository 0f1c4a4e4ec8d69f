// Layer selections: how they are written, and which layers of a model they mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/sweep_spec.h"

namespace steergrid {

/// What a spec may say, for messages.
inline constexpr std::string_view kLayersSyntax = "all, a list as [0, 5, 10], 10-20, 0-31/2 or 30%-50%";

/// Reads "all", "7", "10-20", "0-31/2" or "30%-50%"; nothing if the text is none of these or its ends are the wrong
/// way round. The mark is left to the caller.
std::optional<LayerSelection> layers_from_text(std::string_view text);

/// As resolve_layers, but puts what is wrong ("expected ..., found ...", without the mark) into `problem`.
std::vector<int> layers_of(const LayerSelection& selection, int n_layers, std::string& problem);

}  // namespace steergrid
