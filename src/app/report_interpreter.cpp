#include "app/report_interpreter.h"

#include <cstdlib>

#include "base/error.h"
#include "base/subprocess.h"

namespace steergrid {

std::string report_interpreter() {
  const char* chosen = std::getenv("STEERGRID_PYTHON");
  return chosen != nullptr && *chosen != '\0' ? chosen : STEERGRID_DEFAULT_PYTHON;
}

std::string keeps_from_reports(const std::string& interpreter, double seconds) {
  constexpr const char* kImport = "import sys; sys.tracebacklimit = 0; import steergrid_analysis.cli";
  const Outcome outcome = run_subprocess({interpreter, "-c", kImport}, seconds);
  if (outcome.code == 0) return {};
  if (outcome.errors.find("No module named 'steergrid_analysis'") != std::string::npos)
    return "lacks steergrid_analysis";
  if (outcome.errors.empty()) return fmt::format("ended with {}", outcome.code);
  return outcome.errors.substr(outcome.errors.rfind('\n') + 1);
}

}  // namespace steergrid
