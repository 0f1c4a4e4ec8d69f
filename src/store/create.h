// Making a result file: the whole skeleton of the plan, every dataset at full size, and all that is known beforehand.
//
// Rank 0 alone, with the serial driver, into NAME.h5.tmp: so a file NAME.h5 is always complete. After this no metadata
// ever changes. The caller holds the OutputLock.
#pragma once

#include <cstdint>
#include <string>

#include "plan/plan.h"
#include "store/identity.h"

namespace steergrid::store {

struct CreateOptions {
  std::uint64_t alignment = 4096;  // of large arrays in the file; 1 MiB suits Lustre
  bool reserve_space = true;       // take the disk space now, where the file system can
};

/// Throws Error: folder cannot be made or written, file exists, not enough space, names of the plan clash.
void create_result_file(const std::string& path, const Plan& plan, const SweepSpec& spec, const Provenance& provenance,
                        const CreateOptions& options = {});

/// Bytes the file will take.
std::uint64_t result_file_bytes(const Plan& plan, const SweepSpec& spec);

}  // namespace steergrid::store
