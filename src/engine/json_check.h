// A first look at untrusted JSON, before anything is built from it: syntax, depth and doubled keys (which the JSON
// library would resolve silently, last one wins). Called by config and the safetensors readers.
#pragma once

#include <string_view>

namespace steergrid {

/// Throws Error "where: ..." if `text` is not one JSON object, nests deeper than `deepest` (the object itself is 1), or
/// has a key twice in one object. Afterwards the JSON library parses `text` without throwing.
void check_json_object(std::string_view text, std::string_view where, int deepest);

}  // namespace steergrid
