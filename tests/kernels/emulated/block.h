// Between the emulated GPU's device (device.cpp) and its blocks (block.cpp).
#pragma once

#include <functional>

#include "cuda_runtime_api.h"

namespace steergrid::emulated {

inline constexpr std::size_t kMostShared = std::size_t{163} << 10;  // of a block, on sm_80: the least of the three

/// Runs `body` once a thread of every block; aborts with a sentence where barriers are not reached by all.
void run_grid(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& body);

}  // namespace steergrid::emulated
