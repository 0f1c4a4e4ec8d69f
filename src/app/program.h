// The whole program as one call: for main, and for twins of it that tests build.
#pragma once

#include "app/sweep.h"

namespace steergrid {

/// main's arguments, for MPI_Init and for provenance.
struct Invocation {
  int argc;
  char** argv;
  SweepHooks hooks;
};

/// Does what the arguments say; returns the exit code, or ends the process with it where ranks may wait for each other.
int run_program(const Invocation& invocation);

}  // namespace steergrid
