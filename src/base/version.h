// What this binary is: version and git revision, set by CMake.
#pragma once

#include <string>

namespace steergrid {

std::string tool_version();  // "0.1.0"
std::string git_revision();  // as `git describe --always --dirty`
std::string version_text();  // both, for people

}  // namespace steergrid
