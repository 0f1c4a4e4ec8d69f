// The part of a batch script that is the same in every SteerGrid job: it seats the ranks, passes signals on, decides
// whether the job goes back into the queue, and ends with a code that means something. bash; no C++ here.
//
// Above it a script defines: steergrid, specs, outputs, workers, run_options and launch() (job_script, slurm/*.sbatch).
#pragma once

#include <string_view>

namespace steergrid {

/// Begins with the line kJobBodyStart, by which the templates in slurm/ are compared with it.
std::string_view job_body();

inline constexpr std::string_view kJobBodyStart = "# ---- From here on the same in every SteerGrid job ----";

}  // namespace steergrid
