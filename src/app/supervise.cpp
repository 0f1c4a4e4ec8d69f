#include "app/supervise.h"

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
#include <iostream>
#include <optional>
#include <vector>

#include "app/launcher_end.h"

namespace steergrid {
namespace {

namespace fs = std::filesystem;

constexpr std::array kPassedOn{SIGUSR1, SIGTERM, SIGINT, SIGHUP};
constexpr const char* kWhereToTell = "STEERGRID_SUPERVISED";  // a file that rank 0 writes its exit code to
constexpr unsigned kPause = 1;  // seconds before a restart: the launcher's daemons leave, locks are given back

volatile std::sig_atomic_t child = 0, asked = 0;

void pass_on(int what) {
  asked = what;
  if (child > 0) ::kill(static_cast<pid_t>(child), what);
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = pass_on;
  sigemptyset(&action.sa_mask);
  for (const int what : kPassedOn) sigaction(what, &action, nullptr);
}

std::vector<std::string> words_of(const std::string& launcher) {
  wordexp_t found{};
  if (::wordexp(launcher.c_str(), &found, WRDE_NOCMD) != 0)
    bad_input("--launcher: expected words as in a shell, found '{}'", launcher);
  std::vector<std::string> words(found.we_wordv, found.we_wordv + found.we_wordc);
  ::wordfree(&found);
  return words;
}

/// The command of one launch: the launcher, this program, and its arguments without those for the supervisor.
std::vector<std::string> command_of(const Supervision& wanted, int argc, char** argv) {
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

struct End {
  int status = 0;             // what waitpid says of the launcher
  std::optional<int> spoken;  // the exit code that rank 0 told
};

/// Starts the command and waits for its end.
End launch(const std::vector<std::string>& command) {
  const TemporaryFolder temporary;
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) failed("cannot start {} ({})", command[0], std::strerror(errno));
  if (pid == 0) {
    for (const int what : kPassedOn) ::signal(what, SIG_DFL);
    ::setenv("TMPDIR", temporary.path().c_str(), 1);
    ::setenv(kWhereToTell, (temporary.path() + "/ending").c_str(), 1);
    ::execvp(words[0], words.data());
    std::cerr << "steergrid: cannot start " << words[0] << " (" << std::strerror(errno) << ")\n";
    ::_exit(static_cast<int>(ExitCode::BadInput));
  }
  child = pid;
  if (asked != 0) ::kill(pid, asked);  // it came before there was anybody to pass it on to
  End end;
  end.status = wait_for_launcher(pid);
  child = 0;
  if (int code = 0; std::ifstream(temporary.path() + "/ending") >> code) end.spoken = code;
  return end;
}

/// How a launch ended for good; nullopt: it should be started again.
std::optional<ExitCode> verdict(const End& end) {
  if (!end.spoken && !WIFEXITED(end.status)) return std::nullopt;
  const auto code = static_cast<ExitCode>(end.spoken.value_or(WEXITSTATUS(end.status)));
  if (code == ExitCode::Ok && !end.spoken) return std::nullopt;  // the launcher ended well, the run did not
  if (code == ExitCode::Ok || code == ExitCode::Failed || code == ExitCode::BadInput) return code;
  return std::nullopt;
}

std::string described(int status) {
  return WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                           : fmt::format("signal {}", WTERMSIG(status));
}

}  // namespace

ExitCode supervise(const Supervision& wanted, int argc, char** argv) {
  for (const char* rank : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"})
    if (std::getenv(rank) != nullptr)
      bad_input(
          "--restarts watches a launch from outside, found {}: steergrid run --restarts {} --launcher 'mpirun -n "
          "3' ...",
          rank, wanted.restarts);
  const std::vector<std::string> command = command_of(wanted, argc, argv);
  catch_signals();
  for (int restart = 0;; ++restart) {
    const End end = launch(command);
    if (const auto code = verdict(end)) return *code;
    if (asked != 0) return ExitCode::RunAgain;
    if (restart == wanted.restarts) {
      std::cerr << fmt::format("steergrid: ended with {}; {} restart(s) are used up, the same command goes on\n",
                               described(end.status), restart);
      return ExitCode::RunAgain;
    }
    std::cerr << fmt::format("steergrid: ended with {}; restart {} of {}\n", described(end.status), restart + 1,
                             wanted.restarts);
    ::sleep(kPause);
    if (asked != 0) return ExitCode::RunAgain;
  }
}

void tell_supervisor(ExitCode code) {
  if (const char* file = std::getenv(kWhereToTell)) std::ofstream(file) << static_cast<int>(code) << '\n';
}

}  // namespace steergrid
