// How much memory this machine lets its processes still take: what is free or can be freed (page cache), and no more
// than the control group (a batch job, a container) allows.
#pragma once

#include <cstdint>

namespace steergrid {

/// Bytes; 0 where the system does not tell.
std::int64_t available_memory();

}  // namespace steergrid
