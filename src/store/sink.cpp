#include "store/sink.h"

#include <fmt/format.h>
#include <sys/vfs.h>

#include <filesystem>
#include <map>

namespace steergrid::store {
namespace {

struct FileSystem {
  std::string name;
  bool coherent;  // several nodes may write parts of one page: local disks (one node), and true cluster file systems
};

const std::map<unsigned long, FileSystem> kKnown{
    {0xef53, {"ext4", true}},      {0x58465342, {"xfs", true}},    {0x9123683e, {"btrfs", true}},
    {0x01021994, {"tmpfs", true}}, {0x6969, {"nfs", false}},       {0x0bd00bd0, {"lustre", true}},
    {0x47504653, {"gpfs", true}},  {0x19830326, {"beegfs", true}}, {0x794c7630, {"overlay", true}},
    {0x00c36400, {"ceph", true}},  {0x2fc12fc1, {"zfs", true}},    {0xff534d42, {"cifs", false}},
    {0x65735546, {"fuse", false}}};

/// The magic number, or 0.
unsigned long magic_of(const std::string& path) {
  struct statfs info = {};
  if (::statfs(path.c_str(), &info) == 0) return static_cast<unsigned long>(info.f_type) & 0xffffffffUL;
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (::statfs(folder.empty() ? "." : folder.c_str(), &info) == 0)
    return static_cast<unsigned long>(info.f_type) & 0xffffffffUL;
  return 0;
}

}  // namespace

bool leaders_write(const std::string& path) {
  const auto found = kKnown.find(magic_of(path));
  return found != kKnown.end() && found->second.coherent;
}

std::string file_system_of(const std::string& path) {
  const unsigned long magic = magic_of(path);
  const auto found = kKnown.find(magic);
  return found != kKnown.end() ? found->second.name : fmt::format("{:#x}", magic);
}

}  // namespace steergrid::store
