// A folder in memory for inputs of readers that take paths; one a process, removed at its end. Used by the fuzz
// targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace steergrid {

/// Path of the folder.
const std::string& fuzz_folder();
/// Writes `data` to a file of the folder, in place of what was there; its path.
std::string put(const std::string& name, const std::uint8_t* data, std::size_t size);

}  // namespace steergrid
