// Reading a damaged result file may crash HDF5 itself, which trusts much of what it reads. Commands that only read one
// do so in a child process: a crash is then one clear error, not a signal.
#pragma once

#include <string>

namespace steergrid {

/// Returns in a child process only, which goes on with the command. This one waits for it and ends with its exit code;
/// if it was ended by a crash, throws Error (bad input) that names `file`. Before MPI and threads.
void go_on_in_a_child(const std::string& file);

}  // namespace steergrid
