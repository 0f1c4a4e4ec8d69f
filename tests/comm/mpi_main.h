// What tests that run under mpirun share; their main() is in mpi_main.cpp.
#pragma once

#include "comm/mpi_session.h"

namespace steergrid {

/// The session that main() began.
const MpiSession& session();

}  // namespace steergrid
