// `steergrid run --restarts N`: for machines without a batch system, a parent process that starts the run, waits, and
// starts the same command again when it died or asks for it. It reads no spec and no results: resuming is the run's own
// business. It is no rank: started under mpirun it refuses. Rank 0 must be on its machine, or share its folder for
// temporary files: there it tells how the run ended.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace steergrid {

struct Supervision {
  int restarts = 0;      // at most
  std::string launcher;  // words to put before the command, quoted as in a shell; empty: one process
};

/// Runs `argv` without --restarts and --launcher, behind the launcher, until rank 0 tells that it ended with 0, 1 or 2,
/// or the restarts are used up (then 75), or somebody asked for a stop (USR1, TERM and INT are passed on), or the
/// launcher says that there is no program. Each launch has a folder for temporary files of its own, removed with it.
/// Throws Error where it cannot start.
ExitCode supervise(const Supervision& wanted, int argc, char** argv);

/// The words of a launch: the launcher's, this program, its arguments without those for the supervisor.
std::vector<std::string> command_of(const Supervision& wanted, int argc, const char* const* argv);

/// How a launch ended.
struct LaunchEnd {
  int status = 0;           // what waitpid says of the launcher
  std::optional<int> told;  // the exit code that rank 0 told
  bool retried = false;     // rank 0 told that failed units are to run again
};

/// The end of the run, if this was it; nullopt: the run is to be started again. What a launcher's own code says is not
/// believed, for better or worse: mpirun --enable-recovery ends with 0 whatever happens, and any code may be a rank's
/// death or a node's. Except 126 and 127, by which launchers say that there is no program: no restart will find one.
std::optional<ExitCode> verdict(const LaunchEnd& end);

/// In a run: tells a supervisor, if there is one, how it ended. Called by rank 0, with errors too: a run that tells
/// nothing has died.
void tell_supervisor(ExitCode code);

/// In a run: the file says now that failed units are to run again, so a restart need not ask for it.
void tell_supervisor_of_retry();

/// The rank that the launcher gave this process; nullopt without one. For what comes before MPI can be asked.
std::optional<int> rank_by_launcher();

}  // namespace steergrid
