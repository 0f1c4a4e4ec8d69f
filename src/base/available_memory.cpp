#include "base/available_memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace steergrid {
namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

/// The number a file begins with, if it does ("max" is none).
std::optional<std::int64_t> number_in(const std::string& path) {
  std::ifstream in(path);
  std::int64_t number = 0;
  return in >> number ? std::optional(number) : std::nullopt;
}

/// The number after a word in a file of words and numbers; 0 if it is not there.
std::int64_t number_after(const std::string& word, const std::string& path) {
  std::ifstream in(path);
  std::int64_t number = 0;
  for (std::string found; in >> found;)
    if (found == word && in >> number) return number;
  return 0;
}

/// What one control group still allows: page cache that can be dropped does not count as used.
std::int64_t room_in(const std::string& group) {
  const auto limit = number_in(group + "/memory.max"), used = number_in(group + "/memory.current");
  if (!limit || !used) return kNoLimit;
  const std::int64_t held = std::max<std::int64_t>(0, *used - number_after("inactive_file", group + "/memory.stat"));
  return std::max<std::int64_t>(0, *limit - held);
}

/// What this process's control group and those around it allow (version 2; older ones limit nothing here).
std::int64_t room_in_all_groups() {
  std::ifstream in("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("0::")) path = line.substr(3);
  if (path == "/" || !path.starts_with('/')) path.clear();
  std::int64_t room = room_in("/sys/fs/cgroup");
  for (; !path.empty(); path.resize(path.find_last_of('/'))) room = std::min(room, room_in("/sys/fs/cgroup" + path));
  return room;
}

}  // namespace

std::optional<std::int64_t> available_memory() {
  const std::int64_t room = room_in_all_groups(), free = number_after("MemAvailable:", "/proc/meminfo");
  if (free > 0) return std::min(free * 1024, room);
  return room < kNoLimit ? std::optional(room) : std::nullopt;
}

void limit_memory(std::int64_t more) {
  rlimit data{};
  ::getrlimit(RLIMIT_DATA, &data);
  const std::int64_t wanted = number_after("VmData:", "/proc/self/status") * 1024 + more;
  data.rlim_cur = std::min(data.rlim_cur, static_cast<rlim_t>(wanted));
  ::setrlimit(RLIMIT_DATA, &data);
}

}  // namespace steergrid
