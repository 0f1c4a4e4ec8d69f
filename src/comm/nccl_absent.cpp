// Stands in for nccl_team.cpp in a build without NCCL: the same class, which says how to get the other build.
#include "base/error.h"
#include "comm/nccl_team.h"

namespace steergrid {

struct NcclTeam::State {};

NcclTeam::NcclTeam(Team& members, int, double) : members_(members) {
  bad_input(
      "This build of steergrid has no NCCL, which teams of several GPUs need: build with the CMake preset `cuda` on a "
      "machine with NCCL, or use tensor_parallel: 1");
}
NcclTeam::~NcclTeam() = default;

bool NcclTeam::available() { return false; }
std::string NcclTeam::version() { return "not in this build"; }

void NcclTeam::use_queue(void*) {}
std::vector<Matrix> NcclTeam::gather(Matrix mine) { return {mine}; }

}  // namespace steergrid
