// Slurm's own commands as functions: submit a script, ask for a job's state. A command that hangs is given up. Only
// submit and status call this.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace steergrid {

/// Runs sbatch on `script`. Returns the job's id. Throws Error (failed) with what sbatch said.
std::string submit_script(const std::string& script, const std::vector<std::string>& options);

struct JobState {
  std::string state;   // "PENDING", "RUNNING", ...
  std::string reason;  // why it waits; "" if it does not
  std::string start;   // when Slurm expects it to start; "" if it says nothing
};

/// What squeue says of a job; nullopt: it is not there to ask, or no longer knows the job.
std::optional<JobState> job_state(const std::string& id);

/// NAME.job beside an output: the id of the job that was submitted for it.
std::string job_file(const std::string& output);
void write_job_file(const std::string& output, const std::string& id);
/// nullopt: none was submitted from here.
std::optional<std::string> read_job_file(const std::string& output);

}  // namespace steergrid
