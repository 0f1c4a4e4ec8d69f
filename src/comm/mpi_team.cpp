#include "comm/mpi_team.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "comm/polling.h"

namespace steergrid {
namespace {

/// Where a part of `count` bytes lands at the receiver: as one element whose neighbour starts `stride` bytes further.
class StridedPart {
 public:
  StridedPart(std::size_t count, std::size_t stride) {
    MPI_Datatype part = MPI_DATATYPE_NULL;
    check_mpi(MPI_Type_contiguous(static_cast<int>(count), MPI_BYTE, &part), "MPI_Type_contiguous");
    check_mpi(MPI_Type_create_resized(part, 0, static_cast<MPI_Aint>(stride), &type_), "MPI_Type_create_resized");
    check_mpi(MPI_Type_commit(&type_), "MPI_Type_commit");
    MPI_Type_free(&part);
  }
  ~StridedPart() { MPI_Type_free(&type_); }
  StridedPart(const StridedPart&) = delete;
  StridedPart& operator=(const StridedPart&) = delete;
  MPI_Datatype type() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

enum class Wait { Busy, Asleep };

void move_part(const std::byte* mine, std::size_t count, std::byte* all, MPI_Datatype landing, int landings, Wait wait,
               MPI_Comm comm) {
  const int n = static_cast<int>(count);
  if (wait == Wait::Busy) {
    check_mpi(MPI_Allgather(mine, n, MPI_BYTE, all, landings, landing, comm), "MPI_Allgather");
    return;
  }
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallgather(mine, n, MPI_BYTE, all, landings, landing, comm, &request), "MPI_Iallgather");
  wait_asleep(request, "MPI_Iallgather");
}

/// `mine` of every member, at all + rank * mine.size().
void gather_parts(std::span<const std::byte> mine, std::byte* all, std::size_t chunk, Wait wait,
                  const Communicator& members) {
  const std::size_t most = std::max<std::size_t>(1, chunk / static_cast<std::size_t>(members.size()));
  if (mine.size() <= most) {
    move_part(mine.data(), mine.size(), all, MPI_BYTE, static_cast<int>(mine.size()), wait, mpi_handle(members));
    return;
  }
  for (std::size_t at = 0; at < mine.size(); at += most) {
    const std::size_t count = std::min(most, mine.size() - at);
    const StridedPart part(count, mine.size());
    move_part(mine.data() + at, count, all + at, part.type(), 1, wait, mpi_handle(members));
  }
}

void broadcast_part(void* data, std::size_t count, MPI_Comm comm) {
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibcast(data, static_cast<int>(count), MPI_BYTE, 0, comm, &request), "MPI_Ibcast");
  wait_asleep(request, "MPI_Ibcast");
}

}  // namespace

MpiTeam::MpiTeam(Communicator members, std::size_t chunk) : members_(std::move(members)), chunk_(chunk) {}

std::vector<Matrix> MpiTeam::gather(Matrix mine) {
  const std::size_t bytes = mine.bytes();
  const auto n = static_cast<std::size_t>(size());
  if (gathered_.size() < n * bytes) gathered_.resize(n * bytes);
  if (bytes > 0) gather_parts({mine.as<const std::byte>(), bytes}, gathered_.data(), chunk_, Wait::Busy, members_);
  std::vector<Matrix> parts(n, mine);
  for (std::size_t i = 0; i < n; ++i) parts[i].data = gathered_.data() + i * bytes;
  return parts;
}

std::vector<std::byte> MpiTeam::gather_host(std::span<const std::byte> mine) {
  std::vector<std::byte> all(mine.size() * static_cast<std::size_t>(size()));
  if (!mine.empty()) gather_parts(mine, all.data(), chunk_, Wait::Asleep, members_);
  return all;
}

void MpiTeam::broadcast(std::vector<std::byte>& bytes) {
  std::uint64_t size = bytes.size();
  broadcast_part(&size, sizeof size, mpi_handle(members_));
  bytes.resize(size);
  for (std::size_t at = 0; at < size; at += chunk_)
    broadcast_part(bytes.data() + at, std::min(chunk_, size - at), mpi_handle(members_));
}

}  // namespace steergrid
