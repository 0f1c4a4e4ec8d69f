// Reading what nobody vouches for may crash a library that believes it. A child process does it first, within limits: a
// crash is then one clear error of the parent, which waits, and not its end.
#pragma once

#include <functional>
#include <string>

namespace steergrid {

/// What the child reads, as errors call it: "NAME: BLAME that crashes its reader (Segmentation fault)".
struct Subject {
  std::string name, blame;
};

/// Returns in a child process only, which goes on with the command. The parent waits for it and ends as it does, by the
/// same exit code or the same signal; if the child crashed, it throws Error (bad input). Before MPI and threads.
void go_on_in_a_child(const Subject& subject);

/// Does `step` in a child process first. An Error that it throws there is thrown here. Throws Error (bad input) if it
/// crashes, takes more than `seconds` of processor time, asks for more than `megabytes` of memory or ends the process;
/// and Error (failed) if somebody else ended it, as the kernel does where memory is short: then nothing is known. For
/// programs that go on in this process: `step` must not use MPI, threads or a GPU.
void try_in_a_child(const Subject& subject, const std::function<void()>& step, unsigned seconds = 60,
                    unsigned megabytes = 1024);

}  // namespace steergrid
