// Waiting for a launcher that may not notice that it is over: Open MPI 4.1's mpirun, after a rank was killed, was seen
// to wait for ever for a lock of its own (PMIx_server_finalize), its ranks gone.
#pragma once

#include <sys/types.h>

#include <chrono>

namespace steergrid {

/// Waits for the end of the child process `launcher` and returns what waitpid says of it. If all processes that it
/// started have ended and it has not even taken note of that for `patience`, it is killed first.
int wait_for_launcher(pid_t launcher, std::chrono::milliseconds patience = std::chrono::seconds(30));

}  // namespace steergrid
