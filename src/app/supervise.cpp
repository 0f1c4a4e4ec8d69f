#include "app/supervise.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "app/launcher_end.h"
#include "base/log.h"

namespace steergrid {
namespace {

namespace fs = std::filesystem;

constexpr std::array kPassedOn{SIGUSR1, SIGTERM, SIGINT, SIGHUP};
constexpr const char* kWhereToTell = "STEERGRID_SUPERVISED";  // a file that rank 0 writes its exit code to
constexpr const char* kRetried = ".retried";                  // of a second file beside it
constexpr int kNotExecutable = 126, kNoProgram = 127;         // exit codes of shells, env, nohup and their like
constexpr std::array kRanks{"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};  // how launchers number processes
constexpr unsigned kPause = 1;  // seconds before a restart: the launcher's daemons leave, locks are given back

volatile std::sig_atomic_t child = 0, asked = 0;

void pass_on(int what) {
  asked = what;
  if (child > 0) ::kill(static_cast<pid_t>(child), what);
}

/// Whether whoever started this process wanted it to ignore a signal, as nohup does, or a shell in the background.
bool is_ignored(int what) {
  struct sigaction now {};
  return sigaction(what, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = pass_on;
  sigemptyset(&action.sa_mask);
  for (const int what : kPassedOn)
    if (!is_ignored(what)) sigaction(what, &action, nullptr);
}

std::vector<std::string> words_of(const std::string& launcher) {
  wordexp_t found{};
  if (::wordexp(launcher.c_str(), &found, WRDE_NOCMD) != 0)
    bad_input("--launcher: expected words as in a shell, found '{}'", launcher);
  std::vector<std::string> words(found.we_wordv, found.we_wordv + found.we_wordc);
  ::wordfree(&found);
  return words;
}

/// A launch's own folder for temporary files: launchers that are killed leave some.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_((fs::temp_directory_path() / "steergrid-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) failed("{}: cannot be made ({})", path_, std::strerror(errno));
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// While it lives, signals that are passed on wait: none comes between a fork and what either side does with it.
class HoldSignals {
 public:
  HoldSignals() {
    sigset_t held;
    sigemptyset(&held);
    for (const int what : kPassedOn) sigaddset(&held, what);
    sigprocmask(SIG_BLOCK, &held, &before_);
  }
  ~HoldSignals() { release(); }
  HoldSignals(const HoldSignals&) = delete;
  HoldSignals& operator=(const HoldSignals&) = delete;
  void release() const { sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

/// In the child of a fork: becomes `words`, or tells its parent through `cannot` why that is not possible.
[[noreturn]] void become(const std::vector<char*>& words, const std::string& folder, int cannot,
                         const HoldSignals& held) {
  for (const int what : kPassedOn)
    if (!is_ignored(what)) ::signal(what, SIG_DFL);
  held.release();
  ::setenv("TMPDIR", folder.c_str(), 1);
  ::setenv(kWhereToTell, (folder + "/ending").c_str(), 1);
  ::execvp(words[0], words.data());
  const int error = errno;
  static_cast<void>(::write(cannot, &error, sizeof error));
  ::_exit(kNoProgram);
}

/// Starts the command and waits for its end. Throws Error (bad input) where there is nothing to start.
LaunchEnd launch(const std::vector<std::string>& command) {
  const TemporaryFolder temporary;
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  std::array<int, 2> pipe{};  // closed by a successful exec; else it says what went wrong
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) failed("cannot start {} ({})", command[0], std::strerror(errno));
  pid_t pid = 0;
  {
    const HoldSignals held;
    pid = ::fork();
    if (pid < 0) failed("cannot start {} ({})", command[0], std::strerror(errno));
    if (pid == 0) become(words, temporary.path(), pipe[1], held);
    child = pid;
    if (asked != 0) ::kill(pid, asked);  // it came before there was anybody to pass it on to
  }
  ::close(pipe[1]);
  int error = 0;
  while (::read(pipe[0], &error, sizeof error) < 0 && errno == EINTR) continue;
  ::close(pipe[0]);
  LaunchEnd end;
  end.status = wait_for_launcher(pid);
  child = 0;
  if (error != 0) bad_input("cannot start {} ({})", command[0], std::strerror(error));
  if (int code = 0; std::ifstream(temporary.path() + "/ending") >> code) end.told = code;
  end.retried = fs::exists(temporary.path() + "/ending" + kRetried);
  return end;
}

std::string described(int status) {
  return WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                           : fmt::format("signal {}", WTERMSIG(status));
}

}  // namespace

std::vector<std::string> command_of(const Supervision& wanted, int argc, const char* const* argv) {
  std::vector<std::string> words = words_of(wanted.launcher);
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  words.push_back(error ? argv[0] : self.string());
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--restarts" || word == "--launcher")
      ++i;
    else if (!word.starts_with("--restarts=") && !word.starts_with("--launcher="))
      words.push_back(word);
  }
  return words;
}

std::optional<ExitCode> verdict(const LaunchEnd& end) {
  if (!end.told) {
    const int code = WIFEXITED(end.status) ? WEXITSTATUS(end.status) : 0;
    return code == kNotExecutable || code == kNoProgram ? std::optional(ExitCode::BadInput) : std::nullopt;
  }
  const auto code = static_cast<ExitCode>(*end.told);
  if (code == ExitCode::Ok || code == ExitCode::Failed || code == ExitCode::BadInput) return code;
  return std::nullopt;
}

ExitCode supervise(const Supervision& wanted, int argc, char** argv) {
  for (const char* rank : kRanks)
    if (std::getenv(rank) != nullptr)
      bad_input(
          "--restarts watches a launch from outside, found {}: steergrid run --restarts {} --launcher 'mpirun -n "
          "3' ...",
          rank, wanted.restarts);
  std::vector<std::string> command = command_of(wanted, argc, argv);
  catch_signals();
  for (int restart = 0;; ++restart) {
    const LaunchEnd end = launch(command);
    if (end.retried) std::erase(command, "--retry-failed");  // what fails again has failed
    if (const auto code = verdict(end)) {
      if (!end.told)
        tell_user(fmt::format("{} cannot start the run ({}): not started again", command[0], described(end.status)));
      return *code;
    }
    if (asked != 0) return ExitCode::RunAgain;
    if (restart == wanted.restarts) {
      tell_user(fmt::format("ended with {}; {} restart(s) are used up, the same command goes on", described(end.status),
                            restart));
      return ExitCode::RunAgain;
    }
    tell_user(fmt::format("ended with {}; restart {} of {}", described(end.status), restart + 1, wanted.restarts));
    ::sleep(kPause);
    if (asked != 0) return ExitCode::RunAgain;
  }
}

std::optional<int> rank_by_launcher() {
  for (const char* name : kRanks)
    if (const char* rank = std::getenv(name)) return std::atoi(rank);
  return std::nullopt;
}

void tell_supervisor(ExitCode code) {
  if (const char* file = std::getenv(kWhereToTell)) std::ofstream(file) << static_cast<int>(code) << '\n';
}

void tell_supervisor_of_retry() {
  if (const char* file = std::getenv(kWhereToTell)) std::ofstream(std::string(file) + kRetried).flush();
}

}  // namespace steergrid
