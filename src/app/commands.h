// The subcommands. Each `add_...` registers one with its options; its callback does the work and sets `code`.
#pragma once

#include <CLI/CLI.hpp>

#include "app/program.h"
#include "base/error.h"

namespace steergrid {

void add_run(CLI::App& app, ExitCode& code, const Invocation& invocation);
void add_plan(CLI::App& app, ExitCode& code, const Invocation& invocation);
void add_validate(CLI::App& app, ExitCode& code, const Invocation& invocation);
void add_submit(CLI::App& app, ExitCode& code, const Invocation& invocation);
void add_status(CLI::App& app, ExitCode& code, const Invocation& invocation);
void add_bench(CLI::App& app, ExitCode& code, const Invocation& invocation);
void add_make_model(CLI::App& app, ExitCode& code, const Invocation& invocation);
void add_report(CLI::App& app, ExitCode& code, const Invocation& invocation);
void add_verify(CLI::App& app, ExitCode& code, const Invocation& invocation);
void add_doctor(CLI::App& app, ExitCode& code, const Invocation& invocation);

}  // namespace steergrid
