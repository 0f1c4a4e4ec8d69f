// Errors of the whole program.
//
// Every error a user can cause says what was expected, what was found and where. `Error` carries that sentence; `main`
// prints it and turns the exit code into the process's. Nothing below `app` catches an Error to hide it.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace steergrid {

/// What the process's exit codes mean (README, "Resuming and exit codes").
enum class ExitCode : int {
  Ok = 0,
  Failed = 1,     // the run could not be finished: I/O, MPI, a failed unit
  BadInput = 2,   // spec, model, data set, result file or command line
  RunAgain = 75,  // stopped on request (USR1, TERM) or by a lost peer; the same command resumes
};

/// An error with a complete sentence for the user.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// Throws an Error for bad input (exit code 2), formatted as by fmt.
template <class... Args>
[[noreturn]] void bad_input(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(ExitCode::BadInput, fmt::format(text, std::forward<Args>(args)...));
}

/// Throws an Error for a failure of the machine or the run (exit code 1), formatted as by fmt.
template <class... Args>
[[noreturn]] void failed(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(ExitCode::Failed, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace steergrid
