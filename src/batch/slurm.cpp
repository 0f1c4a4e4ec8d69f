#include "batch/slurm.h"

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"

extern char** environ;

namespace steergrid {
namespace {

struct Outcome {
  int code = 0;  // of the command; 127 where it could not be started
  std::string output, errors;
};

/// What a command writes, in memory.
class Capture {
 public:
  Capture() : file_(::memfd_create("command", MFD_CLOEXEC)) {
    if (file_ < 0) failed("memfd_create: {}", std::strerror(errno));
  }
  ~Capture() { ::close(file_); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  int descriptor() const { return file_; }
  std::string text() const {
    std::string text(4096, '\0');
    const auto got = ::pread(file_, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, got)));
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
  }

 private:
  int file_;
};

Outcome run(std::vector<std::string> words) {
  const Capture output, errors;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output.descriptor(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors.descriptor(), STDERR_FILENO);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return {127, "", fmt::format("{}: {}", words[0], std::strerror(error))};
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), output.text(), errors.text()};
}

/// An id as squeue takes it: "12" or "12_3".
bool is_job_id(const std::string& id) {
  return !id.empty() && id.size() < 32 && id.find_first_not_of("0123456789_") == std::string::npos && id[0] != '_';
}

}  // namespace

std::string submit_script(const std::string& script, const std::vector<std::string>& options) {
  std::vector<std::string> words{"sbatch", "--parsable"};
  words.insert(words.end(), options.begin(), options.end());
  words.push_back(script);
  const Outcome done = run(std::move(words));
  std::string id = done.output.substr(0, done.output.find_first_of(";\n"));  // "12;cluster" on some sites
  if (done.code != 0 || !is_job_id(id))
    failed("{}: sbatch did not take it (code {}): {}", script, done.code,
           done.errors.empty() ? done.output : done.errors);
  return id;
}

std::optional<JobState> job_state(const std::string& id) {
  if (!is_job_id(id)) return std::nullopt;
  const Outcome done =
      run({"timeout", "20", "squeue", "--noheader", "--jobs=" + id, "--states=all", "--format=%T|%r|%S"});
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
