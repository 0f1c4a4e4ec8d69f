// steergrid report: hands over to the Python package. Figures, tables and the page are made by steergrid_analysis.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/commands.h"
#include "app/report_interpreter.h"
#include "app/untrusted_result.h"
#include "store/status.h"

namespace steergrid {
namespace {

[[noreturn]] void exec_report(const std::string& file, const std::string& folder) {
  const std::string interpreter = report_interpreter();
  try_in_a_child(untrusted_result(file), [&] { store::read_status(file, 0); });
  go_on_in_a_child(untrusted_result(file));
  const char* arguments[] = {interpreter.c_str(), "-m", "steergrid_analysis", "report",
                             file.c_str(),        "-o", folder.c_str(),       nullptr};
  ::execvp(interpreter.c_str(), const_cast<char* const*>(arguments));
  failed("{}: cannot be started ({}); set STEERGRID_PYTHON to a Python that has the steergrid-analysis package",
         interpreter, std::strerror(errno));
}

}  // namespace

void add_report(CLI::App& app, ExitCode&, const Invocation&) {
  struct Options {
    std::string file, folder = "report";
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("report", "Figures, tables and one self-contained HTML page of a result file");
  command->add_option("results", options->file, "The result file")->required();
  command->add_option("-o,--output", options->folder, "Folder to write")->capture_default_str();
  command->callback([options] { exec_report(options->file, options->folder); });
}

}  // namespace steergrid
