// The command line: each command lives in a file of its own; errors become one sentence and an exit code.
#include "app/program.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "app/commands.h"
#include "base/log.h"
#include "base/version.h"
#include "comm/mpi_session.h"
#include "spec/problems.h"

namespace steergrid {
namespace {

/// A word in the place of the command that is none: said with the nearest one, where CLI11 would only miss a command.
void check_command(const CLI::App& app, const Invocation& invocation) {
  const std::string word = invocation.argc > 1 ? invocation.argv[1] : "";
  if (word.empty() || word.starts_with("-")) return;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), word) == names.end())
    bad_input("expected a command ({}), found {}{}", fmt::join(names, ", "), in_quotes(word), suggestion(word, names));
}

}  // namespace

int run_program(const Invocation& invocation) {
  CLI::App app{"Activation-steering sweeps over Llama models: a YAML spec in, one HDF5 file and a report out."};
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  ExitCode code = ExitCode::Ok;
  for (const auto add :
       {add_run, add_plan, add_validate, add_submit, add_status, add_report, add_make_model, add_bench, add_doctor})
    add(app, code, invocation);
  try {
    check_command(app, invocation);
    app.parse(invocation.argc, invocation.argv);
  } catch (const CLI::ParseError& e) {
    const int rc = app.exit(e);
    return rc == 0 ? 0 : static_cast<int>(ExitCode::BadInput);
  } catch (const Error& e) {
    // On rank 0 the sentence; ranks that only hear of an error throw it without one.
    if (*e.what() != '\0') tell_user(e.what());
    code = e.code();
  } catch (const std::exception& e) {
    tell_user(e.what());
    code = ExitCode::Failed;
  }
  if (code != ExitCode::Ok) leave_at_once(code);  // no atexit handler may wait for ranks that are elsewhere
  return 0;
}

}  // namespace steergrid
