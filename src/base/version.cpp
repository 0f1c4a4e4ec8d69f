#include "base/version.h"

namespace steergrid {

std::string tool_version() { return STEERGRID_VERSION; }
std::string git_revision() { return STEERGRID_GIT_REVISION; }
std::string version_text() { return "steergrid " + tool_version() + " (" + git_revision() + ")"; }

}  // namespace steergrid
