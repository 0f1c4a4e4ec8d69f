// The two kinds of models a spec's `path` can name: a checkpoint folder, or a synthetic model, "random:...", whose
// weights are computed (engine/synthetic_model.h reads the rest of the name).
#pragma once

#include <string_view>

namespace steergrid {

inline constexpr std::string_view kSyntheticPrefix = "random:";

constexpr bool is_synthetic(std::string_view path) { return path.starts_with(kSyntheticPrefix); }

}  // namespace steergrid
