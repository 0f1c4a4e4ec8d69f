// A group of ranks that can talk: an MPI communicator that is freed by its owner. Empty on a rank that is no member.
//
// Making one is collective over the parent. So that no rank ever waits for another in the middle of a run, all of them
// are made at start-up (`Topology`). Freeing is skipped while an exception is on its way: the peers are elsewhere.
// mpi.h stays in the .cpp files; whoever must hand an MPI_Comm to a library (HDF5) includes comm/mpi_handle.h.
#pragma once

#include <memory>
#include <optional>

namespace steergrid {

class Communicator {
 public:
  struct Handle;

  Communicator();  // no member
  explicit Communicator(std::unique_ptr<Handle> handle);
  ~Communicator();
  Communicator(Communicator&&) noexcept;
  Communicator& operator=(Communicator&&) noexcept;

  explicit operator bool() const { return handle_ != nullptr; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Ranks that name the same color share a new communicator, in the order of their ranks here; nullopt: none of them.
  /// Collective.
  Communicator split(std::optional<int> color) const;
  /// The same ranks, other messages. Collective.
  Communicator duplicate() const;
  /// The ranks of this communicator on this rank's node. Collective.
  Communicator split_by_node() const;

  const Handle* handle() const { return handle_.get(); }

 private:
  std::unique_ptr<Handle> handle_;
  int rank_ = -1;
  int size_ = 0;
};

}  // namespace steergrid
