// steergrid with faults, for the trials of tests/chaos and the jobs of tests/slurm: the same commands, and
// STEERGRID_FAULT says what goes wrong on workers. The program itself has no faults to ask for; this one is built with
// the tests and installed nowhere.
//
//     slow=MS        every unit takes MS milliseconds longer
//     crash-unit=N   the process that runs unit N dies of a signal, every time
//     hang-unit=N    the rank that runs unit N stops itself (SIGSTOP) when it comes to it
//     late-data      a deliberately wrong order: rank 0 hears of a unit before its rows are written; they follow when
//                    the next unit is over, or the stage
//     slow-disk=MS   what rank 0 writes takes MS milliseconds longer to reach the disk
//     rank-0-writes  no fault: leaders send their rows to rank 0, as on file systems like NFS
// Several are separated by commas.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "app/program.h"

namespace {

using namespace steergrid;

std::map<std::string, int> faults_asked() {
  std::map<std::string, int> faults;
  const char* text = std::getenv("STEERGRID_FAULT");
  std::istringstream words(text != nullptr ? text : "");
  for (std::string word; std::getline(words, word, ',');) {
    const std::size_t equals = word.find('=');
    faults[word.substr(0, equals)] = equals == std::string::npos ? 0 : std::atoi(word.c_str() + equals + 1);
  }
  return faults;
}

WorkerCalls with_faults(const WorkerCalls& sound, const std::map<std::string, int>& faults) {
  const auto is = [faults](const char* fault, int unit) {
    const auto asked = faults.find(fault);
    return asked != faults.end() && asked->second == unit;
  };
  const auto slow = faults.find("slow");
  const std::chrono::milliseconds pause(slow == faults.end() ? 0 : slow->second);
  const bool late = faults.contains("late-data");
  const auto owed = std::make_shared<std::function<void()>>();
  const auto pay = [owed] {
    if (*owed) std::exchange(*owed, {})();
  };
  WorkerCalls faulty = sound;
  faulty.run = [=](const Order& order, std::span<const std::byte> payload, Team& team) {
    if (is("crash-unit", order.unit)) ::raise(SIGKILL);
    if (is("hang-unit", order.unit)) ::raise(SIGSTOP);
    std::this_thread::sleep_for(pause);
    Answer answer = sound.run(order, payload, team);
    pay();
    if (late) *owed = std::exchange(answer.write_first, {});
    return answer;
  };
  faulty.close_model = [=](int model) {
    pay();
    sound.close_model(model);
  };
  return faulty;
}

}  // namespace

/// Stands before the C library's, for the whole program.
extern "C" int fdatasync(int file) {
  static const int pause = [] {
    const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
    return rank != nullptr && *rank == '0' ? faults_asked()["slow-disk"] : 0;
  }();
  std::this_thread::sleep_for(std::chrono::milliseconds(pause));
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

int main(int argc, char** argv) {
  const auto faults = faults_asked();
  return run_program({argc,
                      argv,
                      {.worker = [faults](const WorkerCalls& sound) { return with_faults(sound, faults); },
                       .rank_0_writes = faults.contains("rank-0-writes")}});
}
