// In a file of its own, without coverage: the instrumentation declares these two for itself.
#include "tests/fuzz/coverage.h"

extern "C" std::uint8_t __start___sancov_cntrs[], __stop___sancov_cntrs[];

namespace steergrid {

std::span<std::uint8_t> coverage_counters() { return {__start___sancov_cntrs, __stop___sancov_cntrs}; }

}  // namespace steergrid
