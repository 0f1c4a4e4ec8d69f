// The text of batch scripts: #SBATCH lines from a JobRequest, the site's modules and variables, how ranks are launched,
// and job_body. Everything that came from a user is quoted. Nothing is written or submitted here.
#pragma once

#include <string>
#include <vector>

#include "batch/job_request.h"
#include "batch/site_profile.h"

namespace steergrid {

/// What is to be run. With several specs the job is an array, one element a spec.
struct JobText {
  std::string name;
  std::string program;               // absolute path of steergrid
  std::vector<std::string> specs;    // absolute paths
  std::vector<std::string> outputs;  // absolute paths, one a spec
  std::vector<std::string> run_options;
  std::string log_folder;  // absolute
};

/// Throws Error (bad input) for text that no script can hold, or a launcher template without {ranks}.
std::string sweep_script(const JobText& text, const JobRequest& request, const SiteProfile& site);

/// The job that follows: a report beside each output, in the folder OUTPUT without .h5, and -report. With several
/// outputs an array whose elements follow those of the sweeps.
std::string report_script(const JobText& text, const SiteProfile& site);
std::string report_folder(const std::string& output);

}  // namespace steergrid
