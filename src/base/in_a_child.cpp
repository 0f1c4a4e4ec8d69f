#include "base/in_a_child.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace steergrid {

void go_on_in_a_child(const std::string& file) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) failed("{}: cannot be read: no process for it ({})", file, std::strerror(errno));
  if (child == 0) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);  // what is in the core would be the damage
    return;
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) failed("{}: its reader was lost ({})", file, std::strerror(errno));
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  if (signal == SIGSEGV || signal == SIGBUS || signal == SIGABRT || signal == SIGFPE || signal == SIGILL)
    bad_input("{}: damaged: expected a result file, found one that crashes its reader ({})", file, ::strsignal(signal));
  ::signal(signal, SIG_DFL);  // somebody ended the child: so does this one
  ::raise(signal);
  ::_exit(128 + signal);
}

}  // namespace steergrid
