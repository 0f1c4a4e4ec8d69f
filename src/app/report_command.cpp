// steergrid report: hands over to the Python package. Figures, tables and the page are made by steergrid_analysis.
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/hand_over.h"

namespace steergrid {
namespace {

struct ReportOptions {
  std::string file, folder = "report", coefficient, convention = "caa";
};

[[noreturn]] void report(const ReportOptions& o) {
  std::vector<std::string> arguments{"report", "--output=" + o.folder, "--convention=" + o.convention};
  // The package checks it: it knows the file's.
  if (!o.coefficient.empty()) arguments.push_back("--coefficient=" + o.coefficient);
  arguments.insert(arguments.end(), {"--", o.file});
  hand_over(std::move(arguments), {o.file});
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
  command->callback([o] { report(*o); });
}

}  // namespace steergrid
