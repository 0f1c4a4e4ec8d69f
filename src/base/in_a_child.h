// Reading a damaged result file may crash HDF5 itself, which trusts much of what it reads. Commands read one in a child
// process first: a crash is then one clear error, not a signal.
#pragma once

#include <functional>
#include <string>

namespace steergrid {

/// Returns in a child process only, which goes on with the command. This one waits for it and ends with its exit code;
/// if it was ended by a crash, throws Error (bad input) that names `file`. Before MPI and threads.
void go_on_in_a_child(const std::string& file);

/// Does `read` in a child process first. An Error that it throws there is thrown here. If it crashes, takes more than
/// `seconds` of processor time (HDF5 can run in circles) or asks for more than `megabytes` of memory (HDF5 believes
/// sizes), throws Error (bad input) that names `file`. For programs that go on in this process: `read` must not use
/// MPI, threads or a GPU.
void try_in_a_child(const std::string& file, const std::function<void()>& read, unsigned seconds = 60,
                    unsigned megabytes = 1024);

}  // namespace steergrid
