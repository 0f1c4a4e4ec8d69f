// A world of one rank: the same stages, the same order of calls, the same desk as over MPI, without messages.
#pragma once

#include <span>

#include "farm/desk.h"
#include "farm/worker.h"

namespace steergrid {

/// Coordinator and worker in one; see CoordinatorCalls and WorkerCalls. Only where the world has one rank, or none at
/// all (it does not use MPI).
Ending run_inline(const Plan& plan, std::span<const UnitRecord> records, const CoordinatorCalls& coordinator,
                  const WorkerCalls& worker);

}  // namespace steergrid
