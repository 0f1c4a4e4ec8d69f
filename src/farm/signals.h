// SIGUSR1 and SIGTERM ask for an orderly stop: the units in flight come back, then the run ends with exit code 75.
// mpirun passes USR1 on to every rank; only rank 0 acts on it, the others must merely survive it. SIGINT stays as it
// is: mpirun ends the launch, and the result file bears that.
#pragma once

namespace steergrid {

/// Before MPI_Init, on every rank.
void catch_stop_signals();
/// Whether one has arrived. Cheap.
bool stop_signal_arrived();

}  // namespace steergrid
