#include "app/hand_over.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/report_interpreter.h"
#include "app/untrusted_result.h"
#include "base/error.h"
#include "base/subprocess.h"
#include "store/status.h"

namespace steergrid {
namespace {

constexpr double kPatience = 60;  // seconds; a Python on a network's disk may be slow
constexpr const char* kHasPackage =
    "import importlib.util, sys; sys.exit(importlib.util.find_spec('steergrid_analysis') is None)";

/// So that its own exit code, which says how two results compare, is never that of a Python that cannot do it.
void check_package(const std::string& interpreter) {
  const Outcome outcome = run_subprocess({interpreter, "-c", kHasPackage}, kPatience);
  if (outcome.code == 0) return;
  bad_input("expected a Python that has the steergrid-analysis package, found {} ({}): set STEERGRID_PYTHON",
            interpreter, outcome.code < 0 ? outcome.errors : "it lacks the package");
}

}  // namespace

void hand_over(std::vector<std::string> arguments, const std::vector<std::string>& results) {
  const std::string interpreter = report_interpreter();
  check_package(interpreter);
  for (const std::string& file : results) try_in_a_child(untrusted_result(file), [&] { store::read_status(file, 0); });
  go_on_in_a_child(untrusted_result(fmt::format("{}", fmt::join(results, " or "))));
  const std::vector<std::string> begin{interpreter, "-m", "steergrid_analysis"};
  arguments.insert(arguments.begin(), begin.begin(), begin.end());
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  ::execvp(interpreter.c_str(), words.data());
  bad_input("{}: cannot be started ({})", interpreter, std::strerror(errno));
}

}  // namespace steergrid
