// The Python that `report` hands over to, and `doctor` looks at.
#pragma once

#include <string>

namespace steergrid {

/// STEERGRID_PYTHON, else (not set, or empty) the one that CMake was told of: a path, or a name in PATH.
std::string report_interpreter();

/// Whether `interpreter` can be started and has the package that makes reports. Takes as long as its import.
bool makes_reports(const std::string& interpreter);

}  // namespace steergrid
