// How a run of the farm ended; the same on every rank.
#pragma once

#include <string>

#include "base/error.h"

namespace steergrid {

/// Ok: every unit is done. Failed: all ended, some failed or are blocked; or an error stopped the run, after the units
/// in flight came back. RunAgain: stopped on request, the same command goes on. Other codes: what the error said.
struct Ending {
  ExitCode code = ExitCode::Ok;
  std::string sentence;  // for the user; empty with Ok
  bool complete = true;  // false: ranks died on the way, so nothing collective may follow
};

}  // namespace steergrid
