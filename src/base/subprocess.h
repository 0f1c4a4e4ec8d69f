// Another program, run to its end with what it said. No shell in between, so nothing is expanded; one that hangs is
// given up. For short answers of tools (squeue, a Python's import), not for programs that belong to the run.
#pragma once

#include <string>
#include <vector>

namespace steergrid {

struct Outcome {
  int code = 0;                // its exit code (0 to 255); 128 + signal; kNotStarted; kTooLate
  std::string output, errors;  // the first 4096 bytes of each, without the last line's end
};

constexpr int kNotStarted = -1;  // `errors` says why
constexpr int kTooLate = -2;     // `errors` says so

/// Runs words[0], found in PATH, with the other words; kills it after `seconds`. Throws Error (failed) where this
/// process has no memory or descriptors left.
Outcome run_subprocess(std::vector<std::string> words, double seconds);

}  // namespace steergrid
