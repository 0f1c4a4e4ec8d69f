#include "base/in_a_child.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "base/error.h"

namespace steergrid {
namespace {

/// 0 in the child.
pid_t begin_child(const std::string& file) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) failed("{}: cannot be read: no process for it ({})", file, std::strerror(errno));
  if (child == 0) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);  // what is in the core would be the damage
  }
  return child;
}

/// The child's status. Throws Error (bad input) if it crashed.
int end_of(pid_t child, const std::string& file) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) failed("{}: its reader was lost ({})", file, std::strerror(errno));
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (signal == SIGXCPU) bad_input("{}: damaged: expected a result file, found one that its reader does not end", file);
  if (signal == SIGSEGV || signal == SIGBUS || signal == SIGABRT || signal == SIGFPE || signal == SIGILL)
    bad_input("{}: damaged: expected a result file, found one that crashes its reader ({})", file, ::strsignal(signal));
  return status;
}

}  // namespace

void go_on_in_a_child(const std::string& file) {
  const pid_t child = begin_child(file);
  if (child == 0) return;
  const int status = end_of(child, file);
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  ::signal(WTERMSIG(status), SIG_DFL);  // somebody ended the child: so does this one
  ::raise(WTERMSIG(status));
  ::_exit(128 + WTERMSIG(status));
}

void try_in_a_child(const std::string& file, const std::function<void()>& read, unsigned seconds) {
  const pid_t child = begin_child(file);
  if (child != 0) {
    end_of(child, file);
    return;
  }
  for (const int end : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU}) ::signal(end, SIG_DFL);  // MPI's say much
  const rlimit time{seconds, seconds + 1};
  ::setrlimit(RLIMIT_CPU, &time);
  ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);  // and libc's a word
  try {
    read();
  } catch (const std::exception&) {
  }
  ::_exit(0);
}

}  // namespace steergrid
