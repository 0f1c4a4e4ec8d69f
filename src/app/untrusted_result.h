// Result files are untrusted, and HDF5 believes much of what it reads: it crashes on some damaged files, runs in
// circles on others, or asks for absurd memory. Commands read one in a child process first (base/in_a_child.h).
#pragma once

#include <string>

#include "base/in_a_child.h"

namespace steergrid {

/// How the errors of such a child speak of the result file.
inline Subject untrusted_result(const std::string& file) {
  return {file, "damaged: expected a result file, found one"};
}

}  // namespace steergrid
