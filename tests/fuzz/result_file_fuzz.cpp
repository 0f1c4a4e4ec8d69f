// Any damage to a result file: a status, old results, a resumable file, or one clear Error; nothing else, and nothing
// left open. An input is a byte that chooses a reader and a list of changes, of four bytes each, to a small good file
// that is made at the start: HDF5 would refuse almost any other bytes at once. Places count only pieces of the file
// that are not all zero. Rows of results are not read here.
//
// HDF5 itself crashes on some of them or reads for ever, which the commands that read files bear (base/in_a_child.h).
// So a child process reads them, one after the other until one ends it, and gives its coverage to this one, where
// libFuzzer sees it. A child that ends anywhere but in HDF5 is a finding.
#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "base/error.h"
#include "store/create.h"
#include "store/hdf5.h"
#include "store/identity.h"
#include "store/reuse.h"
#include "store/slabs.h"
#include "store/status.h"
#include "tests/fuzz/coverage.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/store/example_plan.h"

/// HDF5 takes no for an answer where a damaged size makes it ask for absurd memory. An allocation by C++ beyond the
/// limit still ends the program. Names in stacks take longer than all else: ASAN_OPTIONS=symbolize=1 and one input's
/// file show them.
extern "C" const char* __asan_default_options() {
  return "max_allocation_size_mb=32:allocator_may_return_null=1:symbolize=0";
}
/// HDF5 forgets some of its own memory when it gives up on a damaged file. What we leave open is counted below.
extern "C" const char* __lsan_default_suppressions() { return "leak:libhdf5"; }

namespace {

using namespace steergrid;
using namespace steergrid::store;

constexpr std::size_t kPiece = 64;
constexpr int kFilesALeakCheck = 500;
constexpr int kDeathsAFinding = 3;    // of new children, one after the other
constexpr int kFilesAReader = 20000;  // HDF5's forgotten memory goes with its process

struct GoodFile {
  Example example;
  std::string path;
  Provenance provenance;
  std::vector<char> bytes;
  std::vector<std::size_t> places;  // offsets of the bytes that an input may change
  int descriptor = -1;
};

/// With units in every state and one launch.
GoodFile make_good_file() {
  GoodFile good;
  good.example = make_example({.pairs = 2, .questions = 2, .models = 1, .behaviors = 1});
  const Example& e = good.example;
  good.path = fuzz_folder() + "/results.h5";
  good.provenance = {to_json(run_identity(e.plan, e.spec, "cpu", {{"bfloat16", "avx2"}}, "none")), e.plan_text, "1",
                     "0", "2026"};
  create_result_file(good.path, e.plan, e.spec, good.provenance, {64, false});
  {
    const Handle file(H5Fopen(good.path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    Slabs slabs(Doing(good.path), file.id(), H5P_DEFAULT);
    for (std::uint64_t unit = 0; unit < e.plan.units.size(); ++unit) {
      const UnitRecord record{static_cast<UnitState>(unit % 4), 1, 0, 0, 0, 1, 2, e.plan.units[unit].content, 0, 1, 0};
      slabs.write("/sched/units", ElementType::UnitRecord, unit, 1, &record, 1);
    }
    LaunchRecord launch;
    launch.started = 1;
    slabs.write("/sched/launches", ElementType::LaunchRecord, 0, 1, &launch, 1);
  }
  std::ifstream in(good.path, std::ios::binary);
  good.bytes.assign(std::istreambuf_iterator<char>(in), {});
  for (std::size_t piece = 0; piece + kPiece <= good.bytes.size(); piece += kPiece)
    if (std::any_of(&good.bytes[piece], &good.bytes[piece] + kPiece, [](char c) { return c != 0; }))
      for (std::size_t at = piece; at < piece + kPiece; ++at) good.places.push_back(at);
  good.descriptor = ::open(good.path.c_str(), O_WRONLY | O_CLOEXEC);
  if (good.descriptor < 0 || read_status(good.path, 0).total.done == 0) std::abort();
  return good;
}

/// Calls `change(offset, byte)` for every change.
template <class Change>
void for_each_change(const GoodFile& good, const std::uint8_t* data, std::size_t size, const Change& change) {
  for (; size >= 4; data += 4, size -= 4) {
    const std::size_t place = data[0] | data[1] << 8 | data[2] << 16;
    change(good.places[place % good.places.size()], static_cast<char>(data[3]));
  }
}

void put_byte(const GoodFile& good, std::size_t at, char byte) {
  if (::pwrite(good.descriptor, &byte, 1, static_cast<off_t>(at)) != 1) std::abort();
}

template <class Action>
void expect_only_errors(const Action& action) {
  try {
    action();
  } catch (const Error&) {
  }
  if (H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) != 0) std::abort();
}

void read_with(std::uint8_t reader, const GoodFile& good) {
  expect_only_errors([&] {
    const Example& e = good.example;
    if (reader % 3 == 0) read_status(good.path, 0);
    if (reader % 3 == 1) OldResults(good.path, good.provenance.identity, false).differences_from("one plan");
    if (reader % 3 == 2) check_output(good.path, e.plan, e.spec, good.provenance, true);
  });
}

/// Whether the first stack of a sanitizer's report is inside a call of HDF5, which calls nothing of ours back but what
/// collects its error messages and refuses links.
bool blames_hdf5(const std::string& report) {
  std::ifstream lines(report);
  bool began = false;
  for (std::string line; std::getline(lines, line);) {
    const bool frame = line.starts_with("    #");
    if (frame && line.find("libhdf5") != std::string::npos) return true;
    if (began && !frame) return false;
    began = frame;
  }
  return false;
}

[[noreturn]] void end_with(const std::string& report) {
  std::cerr << std::ifstream(report).rdbuf();
  std::abort();
}

/// Ends this process after half a second of its time, a hundred times what a good file takes, by a signal that the
/// sanitizer reports with a stack like a crash.
class Patience {
 public:
  Patience() {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGBUS;
    if (::timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer_) != 0) std::abort();
  }
  void begin() const { set(500'000'000); }
  void end() const { set(0); }

 private:
  void set(long nanoseconds) const {
    const itimerspec left{{}, {0, nanoseconds}};
    ::timer_settime(timer_, 0, &left, nullptr);
  }
  timer_t timer_{};
};

enum class Answer : std::uint8_t { Lives, Leaks };

/// A child process that reads the file whenever it is asked to, until a read ends it.
class Reader {
 public:
  Reader(const GoodFile& good, const std::string& report, std::span<std::uint8_t> coverage)
      : report_(report), coverage_(coverage) {
    int orders[2], answers[2];
    if (::pipe2(orders, O_CLOEXEC) != 0 || ::pipe2(answers, O_CLOEXEC) != 0) std::abort();
    process_ = ::fork();
    if (process_ < 0) std::abort();
    const bool child = process_ == 0;
    to_ = child ? answers[1] : orders[1];
    from_ = child ? orders[0] : answers[0];
    ::close(child ? orders[1] : orders[0]);
    ::close(child ? answers[0] : answers[1]);
    if (child) serve(good);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    ::close(to_);
    ::close(from_);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  /// Whether it read the file and lives; then its coverage is this process's. Ends the program if it leaks.
  bool survives(std::uint8_t reader) {
    if (!put(reader)) return false;
    const auto answer = get();
    if (!answer) return false;
    if (*answer == static_cast<std::uint8_t>(Answer::Leaks)) end_with(report_);
    std::ranges::copy(coverage_, coverage_counters().begin());
    ++files_;
    return true;
  }
  /// How many it has read and lives.
  int files() const { return files_; }

 private:
  // libFuzzer's clock interrupts.
  bool put(std::uint8_t byte) const {
    ssize_t n;
    while ((n = ::write(to_, &byte, 1)) < 0 && errno == EINTR) {
    }
    return n == 1;
  }
  std::optional<std::uint8_t> get() const {
    std::uint8_t byte = 0;
    ssize_t n;
    while ((n = ::read(from_, &byte, 1)) < 0 && errno == EINTR) {
    }
    return n == 1 ? std::optional(byte) : std::nullopt;
  }

  [[noreturn]] void serve(const GoodFile& good) const {
    __sanitizer_set_death_callback(nullptr);  // libFuzzer's would keep the input, whoever is to blame
    ::dup2(::open(report_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600), STDERR_FILENO);
    const Patience patience;
    for (int files = 1;; ++files) {
      const auto reader = get();
      if (!reader) ::_exit(0);
      std::ranges::fill(coverage_counters(), std::uint8_t{0});
      patience.begin();
      read_with(*reader, good);
      patience.end();
      std::ranges::copy(coverage_counters(), coverage_.begin());
      const bool leaks = files % kFilesALeakCheck == 0 && __lsan_do_recoverable_leak_check() != 0;
      put(static_cast<std::uint8_t>(leaks ? Answer::Leaks : Answer::Lives));
    }
  }

  pid_t process_ = -1;
  int to_ = -1, from_ = -1, files_ = 0;
  const std::string& report_;         // its standard error
  std::span<std::uint8_t> coverage_;  // shared with the child
};

std::span<std::uint8_t> shared_bytes(std::size_t n) {
  void* const bytes = ::mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (bytes == MAP_FAILED) std::abort();
  return {static_cast<std::uint8_t*>(bytes), n};
}

/// Reads the file in a child. Ends the program if that ends through a fault of ours. What HDF5 broke in the child's
/// memory on earlier files may end it too, and the clock that ends circles may strike where no stack can be read, so
/// new children read again before anything else is blamed.
void read_in_child(std::uint8_t reader, const GoodFile& good) {
  static const std::string report = fuzz_folder() + "/report";
  static const std::span<std::uint8_t> coverage = shared_bytes(coverage_counters().size());
  static std::optional<Reader> child;
  static int files = 0;
  if (files++ % kFilesAReader == 0) child.emplace(good, report, coverage);
  for (int deaths = 0; !child->survives(reader);) {
    const bool fresh = child->files() == 0, hdf5 = blames_hdf5(report);
    if (fresh && !hdf5 && ++deaths == kDeathsAFinding) end_with(report);
    child.emplace(good, report, coverage);
    if (hdf5) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const GoodFile good = make_good_file();
  if (size == 0) return 0;
  for_each_change(good, data + 1, size - 1, [](std::size_t at, char byte) { put_byte(good, at, byte); });
  read_in_child(data[0], good);
  for_each_change(good, data + 1, size - 1, [](std::size_t at, char) { put_byte(good, at, good.bytes[at]); });
  return 0;
}
