#include "farm/signals.h"

#include <csignal>

namespace steergrid {
namespace {

volatile std::sig_atomic_t arrived = 0;

void note(int) { arrived = 1; }

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_signal_arrived() { return arrived != 0; }

}  // namespace steergrid
