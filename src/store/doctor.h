// Does HDF5 over MPI work here? For `steergrid doctor`: a small file in the folder where results will lie, opened by
// all ranks, written to independently, synced and read back.
#pragma once

#include <string>

#include "comm/communicator.h"

namespace steergrid::store {

struct Hdf5Check {
  bool works = false;
  std::string version;  // of the library, and how it was built
  std::string finding;  // one clause for the user: what works, or what failed
};

/// Leaves no file behind. Collective over `members`; every member gets the same answer.
Hdf5Check check_hdf5(const std::string& folder, const Communicator& members);

}  // namespace steergrid::store
