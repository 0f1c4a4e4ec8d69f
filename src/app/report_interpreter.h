// The Python that `report` hands over to, and `doctor` looks at.
#pragma once

#include <string>

namespace steergrid {

/// STEERGRID_PYTHON, else (not set, or empty) the one that CMake was told of: a path, or a name in PATH.
std::string report_interpreter();

/// What keeps `interpreter` from making reports, in one line: it cannot be started, lacks the package, fails at
/// importing it (its last words), or takes more than `seconds` for that (from a network's disk it may be slow). Empty:
/// nothing.
std::string keeps_from_reports(const std::string& interpreter, double seconds = 60);

}  // namespace steergrid
