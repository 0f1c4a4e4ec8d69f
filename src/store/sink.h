// Who writes large rows: the team's leader, straight into the file, or rank 0, to whom the leader sends them in DONE.
//
// On NFS two clients that write one page lose each other's bytes, so there rank 0 writes everything. `ResultFile` asks
// this once, for all ranks together; the rest of the program asks `ResultFile::leaders_write()`.
#pragma once

#include <string>

namespace steergrid::store {

/// Whether this machine sees `path` (or the folder it will lie in) on a file system where several nodes may write one
/// file. False for NFS, CIFS, FUSE and whatever is not known. Independent.
bool leaders_write(const std::string& path);

/// Name of the file system `path` lies on, as far as known ("ext4", "nfs", "lustre", "0x1234"); for `doctor`.
std::string file_system_of(const std::string& path);

}  // namespace steergrid::store
