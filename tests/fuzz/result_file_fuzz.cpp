// Any damage to a result file: a status, or one clear Error; nothing else, and nothing left open. An input is a list of
// changes, of four bytes each, to a small good file that is made at the start: HDF5 would refuse almost any other bytes
// at once. Places count only pieces of the file that are not all zero. Rows of results are not read here.
//
// HDF5 itself crashes on some of them, which the commands that read files bear (base/in_a_child.h). So each input is
// first read in a child process; only what that survives is read in this one, whose coverage libFuzzer sees. A child
// that ends anywhere but in HDF5 is a finding.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/error.h"
#include "store/create.h"
#include "store/hdf5.h"
#include "store/identity.h"
#include "store/reuse.h"
#include "store/slabs.h"
#include "store/status.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/store/example_plan.h"

/// HDF5 takes no for an answer where a damaged size makes it ask for absurd memory. An allocation by C++ beyond the
/// limit still ends the program.
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=32:allocator_may_return_null=1"; }
/// HDF5 forgets some of its own memory when it gives up on a damaged file. What we leave open is counted below.
extern "C" const char* __lsan_default_suppressions() { return "leak:libhdf5"; }

namespace {

using namespace steergrid;
using namespace steergrid::store;

constexpr std::size_t kPiece = 64;

struct GoodFile {
  std::string path, identity;
  std::vector<char> bytes;
  std::vector<std::size_t> places;  // offsets of the bytes that an input may change
  int descriptor = -1;
};

/// With units in every state and one launch.
GoodFile make_good_file() {
  const Example e = make_example({2, 2, 2, 2, ActivationStore::None, 1.5});
  GoodFile good;
  good.path = fuzz_folder() + "/results.h5";
  good.identity = to_json(run_identity(e.plan, e.spec, "cpu", "avx2", "none"));
  create_result_file(good.path, e.plan, e.spec, {good.identity, e.plan_text, "1", "0", "2026"}, {64, false});
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

void read_everything(const GoodFile& good) {
  expect_only_errors([&] { stored_choices(good.path); });
  expect_only_errors([&] { read_status(good.path, 0); });
  expect_only_errors([&] { OldResults(good.path, good.identity, false).differences_from("one plan"); });
}

/// Whether the innermost call of a sanitizer's report, the sanitizer's own and libc's left out, is one of HDF5's.
bool blames_hdf5(const std::string& report) {
  std::ifstream lines(report);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("    #") != 0) continue;
    const auto has = [&](const char* part) { return line.find(part) != std::string::npos; };
    if (!has("interceptor") && !has("sysdeps") && !has("asan") && !has("libc.so")) return has("libhdf5");
  }
  return false;
}

/// Whether a child process reads the file and lives. Ends the program where it does not through a fault of ours.
bool survives(const GoodFile& good) {
  static const std::string report = fuzz_folder() + "/report";
  const pid_t child = ::fork();
  if (child == 0) {
    const int to = ::open(report.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(to, STDERR_FILENO);
    read_everything(good);
    ::_exit(0);
  }
  int status = 0;
  if (child < 0) std::abort();
  while (::waitpid(child, &status, 0) != child)  // libFuzzer's clock interrupts
    if (errno != EINTR) std::abort();
  if (status == 0) return true;
  if (!blames_hdf5(report)) {
    std::cerr << std::ifstream(report).rdbuf();
    std::abort();
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const GoodFile good = make_good_file();
  for_each_change(good, data, size, [](std::size_t at, char byte) { put_byte(good, at, byte); });
  if (survives(good)) read_everything(good);
  for_each_change(good, data, size, [](std::size_t at, char) { put_byte(good, at, good.bytes[at]); });
  return 0;
}
