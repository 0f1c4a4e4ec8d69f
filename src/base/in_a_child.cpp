#include "base/in_a_child.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string_view>

#include "base/available_memory.h"
#include "base/error.h"

namespace steergrid {
namespace {

/// 0 in the child.
pid_t begin_child(const Subject& subject) {
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) failed("{}: no process for it ({})", subject.name, std::strerror(errno));
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it has its parent's locks
    if (::getppid() != parent) ::_exit(1);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);  // what is in the core would be the damage
  }
  return child;
}

/// The child's status: it ended by itself, or by a signal that is not its own fault. Throws Error (bad input) if it
/// crashed or did not end.
int end_of(pid_t child, const Subject& subject) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) failed("{}: its child process was lost ({})", subject.name, std::strerror(errno));
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (signal == SIGXCPU) bad_input("{}: {} whose reader comes to no end", subject.name, subject.blame);
  if (signal == SIGSEGV || signal == SIGBUS || signal == SIGABRT || signal == SIGFPE || signal == SIGILL)
    bad_input("{}: {} that crashes its reader ({})", subject.name, subject.blame, ::strsignal(signal));
  return status;
}

/// What a child has thrown, in memory that it shares with its parent.
struct Thrown {
  ExitCode code = ExitCode::Ok;
  std::array<char, 1 << 20> sentence{};

  void take(ExitCode its_code, std::string_view its_sentence) {
    code = its_code;
    its_sentence.copy(sentence.data(), sentence.size() - 1);
  }
};
using SharedThrown = std::unique_ptr<Thrown, void (*)(Thrown*)>;

SharedThrown share_thrown(const Subject& subject) {
  void* memory = ::mmap(nullptr, sizeof(Thrown), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) failed("{}: no memory for it ({})", subject.name, std::strerror(errno));
  return {new (memory) Thrown, [](Thrown* thrown) { ::munmap(thrown, sizeof(Thrown)); }};
}

}  // namespace

void go_on_in_a_child(const Subject& subject) {
  const pid_t child = begin_child(subject);
  if (child == 0) return;
  const int status = end_of(child, subject);
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  ::signal(WTERMSIG(status), SIG_DFL);  // somebody ended the child: so does this one
  ::raise(WTERMSIG(status));
  ::_exit(128 + WTERMSIG(status));
}

void try_in_a_child(const Subject& subject, const std::function<void()>& step, unsigned seconds, unsigned megabytes) {
  const SharedThrown thrown = share_thrown(subject);
  const pid_t child = begin_child(subject);
  if (child != 0) {
    const int status = end_of(child, subject);
    if (!WIFEXITED(status))
      failed("{}: its reader was ended by a signal ({})", subject.name, ::strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
      bad_input("{}: {} whose reader ended with exit code {}", subject.name, subject.blame, WEXITSTATUS(status));
    if (thrown->code != ExitCode::Ok) throw Error(thrown->code, thrown->sentence.data());
    return;
  }
  for (const int end : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU})
    ::signal(end, SIG_DFL);  // handlers may say much
  const rlimit time{seconds, seconds + 1};
  ::setrlimit(RLIMIT_CPU, &time);
  limit_memory(std::int64_t{megabytes} << 20);
  ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);  // and libc's a word
  try {
    step();
  } catch (const Error& e) {
    thrown->take(e.code(), e.what());
  } catch (const std::bad_alloc&) {
    thrown->take(ExitCode::BadInput,
                 fmt::format("{}: {} whose reader asks for more than {} MB", subject.name, subject.blame, megabytes));
  } catch (const std::exception&) {  // for the caller to meet again
  }
  ::_exit(0);
}

}  // namespace steergrid
