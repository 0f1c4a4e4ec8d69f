// `steergrid run --restarts N`: for machines without a batch system, a parent process that starts the run, waits, and
// starts the same command again when it died or asks for it. It reads no spec and no results: resuming is the run's own
// business. It is no rank: started under mpirun it refuses.
#pragma once

#include <string>

#include "base/error.h"

namespace steergrid {

struct Supervision {
  int restarts = 0;      // at most
  std::string launcher;  // words to put before the command, quoted as in a shell; empty: one process
};

/// Runs `argv` without --restarts and --launcher, behind the launcher, until it ends with 0, 1 or 2, or the restarts
/// are used up (then 75), or somebody asked for a stop (USR1, TERM and INT are passed on). Each launch has a folder for
/// temporary files of its own, removed with it. Throws Error where it cannot start.
ExitCode supervise(const Supervision& wanted, int argc, char** argv);

/// On rank 0 of a run that has ended: tells a supervisor how, if there is one. Launchers may hide it (mpirun
/// --enable-recovery ends with 0 whatever happens); a run that says nothing has died.
void tell_supervisor(ExitCode code);

}  // namespace steergrid
