// What stands behind a Communicator: for comm's own .cpp files and for the store's HDF5 wrapper, nobody else.
#pragma once

// Only the C interface: the old C++ one warns, and is gone from newer MPIs.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include "comm/communicator.h"

namespace steergrid {

struct Communicator::Handle {
  MPI_Comm comm = MPI_COMM_NULL;
};

inline MPI_Comm mpi_handle(const Communicator& c) { return c ? c.handle()->comm : MPI_COMM_NULL; }

/// Throws Error (run again: a peer is lost, or MPI is broken) naming the call where `code` is not MPI_SUCCESS.
void check_mpi(int code, const char* call);

}  // namespace steergrid
