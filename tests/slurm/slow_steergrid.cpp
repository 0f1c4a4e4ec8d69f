// steergrid with units that take STEERGRID_SLOW_MS milliseconds longer, so that jobs of tests/slurm can be interrupted
// in the middle on any machine. Built with the tests, installed nowhere.
#include <chrono>
#include <cstdlib>
#include <thread>

#include "app/commands.h"

namespace {

using namespace steergrid;

WorkerCalls slowed(const WorkerCalls& sound) {
  const char* text = std::getenv("STEERGRID_SLOW_MS");
  const std::chrono::milliseconds pause(text != nullptr ? std::atoi(text) : 0);
  WorkerCalls slow = sound;
  slow.run = [=](const Order& order, std::span<const std::byte> payload, Team& team) {
    std::this_thread::sleep_for(pause);
    return sound.run(order, payload, team);
  };
  return slow;
}

}  // namespace

int main(int argc, char** argv) { return run_program({argc, argv, {.worker = slowed}}); }
