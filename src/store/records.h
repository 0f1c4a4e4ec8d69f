// The two kinds of fixed-size records under /sched, byte for byte as they lie in the result file (little-endian), and
// what a restart reads from them. No HDF5 here: `result_file` writes them, `status` and the application read them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace steergrid::store {

enum class UnitState : std::uint32_t { Absent = 0, Done = 1, Failed = 2, Blocked = 3 };

/// Flags of a record.
inline constexpr std::uint32_t kFlagNotFinite = 1;
inline constexpr std::uint32_t kFlagBaselineOnly = 2;
inline constexpr std::uint32_t kFlagMixedIdentity = 4;
inline constexpr std::uint32_t kFlagReused = 8;       // copied from another result file, with its times and its team
inline constexpr std::uint32_t kFlagWorkerDied = 16;  // with Absent: the attempt's worker died, and rank 0 saw it

/// One record of /sched/units. A unit is done when this says so, and not before.
struct UnitRecord {
  UnitState state = UnitState::Absent;
  std::uint32_t attempt = 0;  // with Absent: above 0 if the unit was handed out and never came back
  std::uint32_t flags = 0;
  std::uint32_t launch = 0;  // index into /sched/launches
  std::uint64_t crc = 0;
  std::int64_t started = 0, finished = 0;  // ns since the epoch
  std::uint64_t content = 0;               // content identity, known from the start
  std::uint32_t team = 0, ranks = 0;
  std::uint64_t reserved = 0;
};
static_assert(sizeof(UnitRecord) == 64);

/// One record of /sched/launches. Texts are NUL-padded; a launch that never was has `started` 0.
struct LaunchRecord {
  std::int64_t started = 0;
  std::uint32_t ranks = 0, pid = 0;
  char host[64] = {};
  char binary[64] = {};    // tool version and git revision
  char devices[368] = {};  // names of the devices, separated by "; "
};
static_assert(sizeof(LaunchRecord) == 512);

inline constexpr std::uint64_t kLaunches = 4096;     // room in the file; later launches share the last record
inline constexpr std::uint64_t kMessageBytes = 240;  // of a row of /sched/message
inline constexpr int kFormatVersion = 2;

/// Unit ids by what a restart does with them. Ascending.
struct ResumeState {
  std::vector<int> done, failed, blocked;
  std::vector<int> suspects;  // handed out, never came back: state absent, attempt above 0
};
ResumeState resume_state(std::span<const UnitRecord> records);

/// `text` cut to at most `bytes` bytes at a boundary of UTF-8 characters.
std::string cut_utf8(const std::string& text, std::size_t bytes);

}  // namespace steergrid::store
