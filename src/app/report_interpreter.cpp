#include "app/report_interpreter.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace steergrid {

std::string report_interpreter() {
  const char* chosen = std::getenv("STEERGRID_PYTHON");
  return chosen != nullptr && *chosen != '\0' ? chosen : STEERGRID_DEFAULT_PYTHON;
}

bool makes_reports(const std::string& interpreter) {
  const char* arguments[] = {interpreter.c_str(), "-c", "import steergrid_analysis", nullptr};
  posix_spawn_file_actions_t quiet;
  ::posix_spawn_file_actions_init(&quiet);
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO})
    ::posix_spawn_file_actions_addopen(&quiet, stream, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error =
      ::posix_spawnp(&child, interpreter.c_str(), &quiet, nullptr, const_cast<char* const*>(arguments), environ);
  ::posix_spawn_file_actions_destroy(&quiet);
  if (error != 0) return false;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace steergrid
