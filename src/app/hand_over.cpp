#include "app/hand_over.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/report_interpreter.h"
#include "app/untrusted_result.h"
#include "base/error.h"
#include "store/status.h"

namespace steergrid {

void hand_over(std::vector<std::string> arguments, const std::vector<std::string>& results) {
  const std::string interpreter = report_interpreter();
  // Its own exit code, which says how two results compare, must never be that of a Python that cannot do it.
  if (const std::string obstacle = keeps_from_reports(interpreter); !obstacle.empty()) {
    bad_input("expected a Python that has the steergrid-analysis package, found {} ({}): set STEERGRID_PYTHON",
              interpreter, obstacle);
  }
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
