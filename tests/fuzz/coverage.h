// What libFuzzer looks at after each input, so that a process can take over what another one covered.
#pragma once

#include <cstdint>
#include <span>

namespace steergrid {

/// This program's counters, one for each edge of its own code: the section that -fsanitize=fuzzer makes, by the names
/// that the linker gives its ends.
std::span<std::uint8_t> coverage_counters();

}  // namespace steergrid
