// Commands that the Python package does. They look at the result files first, as everybody who reads one does
// (untrusted_result.h), and become the interpreter in a child process: what crashes there is one clear error here.
#pragma once

#include <string>
#include <vector>

namespace steergrid {

/// `python -m steergrid_analysis ARGUMENTS...`, once each of `results` has been read in a child. Ends this process with
/// the interpreter's exit code. Throws Error (bad input) where a file is damaged, or the
/// interpreter cannot be started or cannot import the package.
[[noreturn]] void hand_over(std::vector<std::string> arguments, const std::vector<std::string>& results);

}  // namespace steergrid
