// The command line: each command lives in a file of its own; errors become one sentence and an exit code.
#include "app/program.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "app/commands.h"
#include "app/supervise.h"
#include "base/log.h"
#include "base/version.h"
#include "comm/mpi_session.h"
#include "spec/problems.h"

namespace steergrid {
namespace {

/// Where one rank of a launch says what is wrong, the others wait a moment: a launcher may end all of them when the
/// first one leaves.
void let_another_speak() { std::this_thread::sleep_for(std::chrono::seconds(1)); }

/// Whether this process says what is wrong with the command line, which every rank of a launch sees.
bool speaks_before_mpi() {
  if (rank_by_launcher().value_or(0) == 0) return true;
  let_another_speak();
  return false;
}

/// A word in the place of the command that is none: said with the nearest one, where CLI11 would only miss a command.
void check_command(const CLI::App& app, const Invocation& invocation) {
  const std::string word = invocation.argc > 1 ? invocation.argv[1] : "";
  if (word.empty() || word.starts_with("-")) return;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), word) == names.end())
    throw Error(ExitCode::BadInput, rank_by_launcher().value_or(0) == 0
                                        ? fmt::format("expected a command ({}), found {}{}", fmt::join(names, ", "),
                                                      in_quotes(word), suggestion(word, names))
                                        : "");
}

/// What was printed, written out; a sentence says so if it could not be: a script must not take a cut text for all.
ExitCode end_of_output() {
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  const int why = errno;  // 0 where an earlier write failed
  if (std::cout.flush() && written) return ExitCode::Ok;
  tell_user("standard output: expected to write all of the answer, found " +
            (why != 0 ? std::error_code(why, std::generic_category()).message() : "an error before its end"));
  return ExitCode::Failed;
}

}  // namespace

int run_program(const Invocation& invocation) {
  CLI::App app{"Activation-steering sweeps over Llama models: a YAML spec in, one HDF5 file and a report out."};
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  ExitCode code = ExitCode::Ok;
  for (const auto add : {add_run, add_plan, add_validate, add_submit, add_status, add_report, add_verify,
                         add_make_model, add_bench, add_doctor})
    add(app, code, invocation);
  try {
    check_command(app, invocation);
    app.parse(invocation.argc, invocation.argv);
  } catch (const CLI::ParseError& e) {
    std::ostream nowhere(nullptr);
    const bool speaks = speaks_before_mpi();
    if (app.exit(e, speaks ? std::cout : nowhere, speaks ? std::cerr : nowhere) != 0) code = ExitCode::BadInput;
  } catch (const Error& e) {
    // Ranks that only hear of an error throw it without a sentence.
    if (*e.what() != '\0')
      tell_user(e.what());
    else
      let_another_speak();
    code = e.code();
  } catch (const std::exception& e) {
    tell_user(e.what());
    code = ExitCode::Failed;
  }
  // What a run is for lies in its file: a launcher that no longer listens takes nothing from it.
  if (code == ExitCode::Ok && !app.got_subcommand("run")) code = end_of_output();
  if (code != ExitCode::Ok) leave_at_once(code);  // no atexit handler may wait for ranks that are elsewhere
  return 0;
}

}  // namespace steergrid
