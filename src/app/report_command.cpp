// steergrid report: hands over to the Python package. Figures, tables and the page are made by steergrid_analysis.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "app/commands.h"
#include "app/report_interpreter.h"
#include "app/untrusted_result.h"
#include "store/status.h"

namespace steergrid {
namespace {

struct ReportOptions {
  std::string file, folder = "report", coefficient, convention = "caa";
};

[[noreturn]] void exec_report(const ReportOptions& o) {
  const std::string interpreter = report_interpreter();
  try_in_a_child(untrusted_result(o.file), [&] { store::read_status(o.file, 0); });
  go_on_in_a_child(untrusted_result(o.file));
  std::vector<const char*> arguments = {interpreter.c_str(), "-m", "steergrid_analysis", "report",
                                        o.file.c_str(),      "-o", o.folder.c_str(),     "--convention",
                                        o.convention.c_str()};
  const std::string coefficient = "--coefficient=" + o.coefficient;  // the package checks it: it knows the file's
  if (!o.coefficient.empty()) arguments.push_back(coefficient.c_str());
  arguments.push_back(nullptr);
  ::execvp(interpreter.c_str(), const_cast<char* const*>(arguments.data()));
  failed("{}: cannot be started ({}); set STEERGRID_PYTHON to a Python that has the steergrid-analysis package",
         interpreter, std::strerror(errno));
}

}  // namespace

void add_report(CLI::App& app, ExitCode&, const Invocation&) {
  const auto o = std::make_shared<ReportOptions>();
  CLI::App* command = app.add_subcommand("report", "Figures, tables and one self-contained HTML page of a result file");
  command->add_option("results", o->file, "The result file")->required();
  command->add_option("-o,--output", o->folder, "Folder to write")->capture_default_str();
  command->add_option(
      "--coefficient", o->coefficient,
      "Report effects and layers at +c and -c for this c, where a run has it (default: 1, else the least)");
  command
      ->add_option(
          "--convention", o->convention,
          "Divide p(matching) by p(A) + p(B), as the CAA paper does (caa), or by all letters of the run (letters)")
      ->check(CLI::IsMember({"caa", "letters"}))
      ->capture_default_str();
  command->callback([o] { exec_report(*o); });
}

}  // namespace steergrid
