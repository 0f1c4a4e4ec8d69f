// One process's life in MPI: begins with MPI_Init_thread, ends with MPI_Finalize; everything between hangs off it.
//
// Only the main thread calls MPI (FUNNELED). Without mpirun it is a world of one rank. MPI errors come back as `Error`
// and do not abort. MPI_Finalize waits for the other ranks, so it is called only where the program ends in order: while
// an exception is on its way the destructor does nothing, and whoever catches it ends the process with
// `leave_at_once`, which runs no atexit handler (HDF5's would wait in a collective close); the launcher then ends the
// other ranks.
#pragma once

#include <string>

#include "base/error.h"
#include "comm/communicator.h"

namespace steergrid {

class MpiSession {
 public:
  /// Throws Error if MPI gives less than FUNNELED, or if the launcher belongs to another MPI (it started several tasks,
  /// this MPI sees one). Collective over all ranks of the launch; once a process.
  MpiSession(int& argc, char**& argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  int rank() const { return world_.rank(); }
  int size() const { return world_.size(); }
  int node_size() const { return node_size_; }  // ranks on this node
  const std::string& host() const { return host_; }
  const Communicator& world() const { return world_; }

  /// Of the MPI library in use, e.g. "Open MPI v4.1.4, ...", one line. Needs no session.
  static std::string library_version();

 private:
  int exceptions_at_start_;
  Communicator world_;
  int node_size_ = 1;
  std::string host_;
};

/// Flushes what was printed and ends this process now: no destructors, no atexit handlers, no MPI_Finalize.
[[noreturn]] void leave_at_once(ExitCode code);

}  // namespace steergrid
