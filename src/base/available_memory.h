// How much memory this machine lets its processes still take: what is free or can be freed (page cache), and no more
// than the control group (a batch job, a container) allows.
#pragma once

#include <cstdint>
#include <optional>

namespace steergrid {

/// Bytes; nullopt where the system does not tell.
std::optional<std::int64_t> available_memory();

/// Lets this process take no more than `more` bytes beyond what it has: allocations then fail.
void limit_memory(std::int64_t more);

}  // namespace steergrid
