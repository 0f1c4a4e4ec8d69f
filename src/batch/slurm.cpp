#include "batch/slurm.h"

#include <fstream>

#include "base/error.h"
#include "base/subprocess.h"

namespace steergrid {
namespace {

constexpr double kSubmitSeconds = 120, kAskSeconds = 20;

/// An id as squeue takes it: "12" or "12_3".
bool is_job_id(const std::string& id) {
  return !id.empty() && id.size() < 32 && id.find_first_not_of("0123456789_") == std::string::npos && id[0] != '_';
}

}  // namespace

std::string submit_script(const std::string& script, const std::vector<std::string>& options) {
  std::vector<std::string> words{"sbatch", "--parsable"};
  words.insert(words.end(), options.begin(), options.end());
  words.push_back(script);
  const Outcome done = run_subprocess(std::move(words), kSubmitSeconds);
  if (done.code == kNotStarted) failed("sbatch cannot be started ({}): is Slurm on this machine?", done.errors);
  if (done.code == kTooLate)
    failed("{}: sbatch gave {}; the job may be queued all the same: look with squeue before submitting again", script,
           done.errors);
  std::string id = done.output.substr(0, done.output.find_first_of(";\n"));  // "12;cluster" on some sites
  if (done.code != 0 || !is_job_id(id))
    failed("{}: sbatch did not take it (code {}): {}", script, done.code,
           done.errors.empty() ? done.output : done.errors);
  return id;
}

std::optional<JobState> job_state(const std::string& id) {
  if (!is_job_id(id)) return std::nullopt;
  const Outcome done =
      run_subprocess({"squeue", "--noheader", "--jobs=" + id, "--states=all", "--format=%T|%r|%S"}, kAskSeconds);
  if (done.code != 0 || done.output.empty()) return std::nullopt;
  const std::string line = done.output.substr(0, done.output.find('\n'));
  const std::size_t first = line.find('|'), second = line.find('|', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  JobState job{line.substr(0, first), line.substr(first + 1, second - first - 1), line.substr(second + 1)};
  if (job.reason == "None") job.reason.clear();
  if (job.start == "N/A" || job.state != "PENDING") job.start.clear();
  return job;
}

std::string job_file(const std::string& output) { return output + ".job"; }

void write_job_file(const std::string& output, const std::string& id) {
  std::ofstream file(job_file(output));
  file << id << '\n';
  file.close();
  if (!file) failed("{}: cannot be written", job_file(output));
}

std::optional<std::string> read_job_file(const std::string& output) {
  std::ifstream file(job_file(output));
  std::string id;
  if (!std::getline(file, id) || !is_job_id(id)) return std::nullopt;
  return id;
}

}  // namespace steergrid
