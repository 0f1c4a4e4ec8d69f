#include "app/report_interpreter.h"

#include <cstdlib>

#include "base/subprocess.h"

namespace steergrid {

std::string report_interpreter() {
  const char* chosen = std::getenv("STEERGRID_PYTHON");
  return chosen != nullptr && *chosen != '\0' ? chosen : STEERGRID_DEFAULT_PYTHON;
}

std::string keeps_from_reports(const std::string& interpreter, double seconds) {
  const Outcome outcome = run_subprocess({interpreter, "-c", "import steergrid_analysis"}, seconds);
  if (outcome.code == 0) return {};
  if (outcome.code == kNotStarted || outcome.code == kTooLate) return outcome.errors;
  return "lacks steergrid_analysis";
}

}  // namespace steergrid
