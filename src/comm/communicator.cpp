#include "comm/communicator.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "base/error.h"
#include "comm/mpi_handle.h"

namespace steergrid {

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error(ExitCode::RunAgain, fmt::format("{} failed: {}; a rank may have been lost", call, text));
}

namespace {

bool mpi_is_over() {
  int over = 0;
  MPI_Finalized(&over);
  return over != 0;
}

Communicator owning(MPI_Comm comm) {
  return comm == MPI_COMM_NULL ? Communicator()
                               : Communicator(std::make_unique<Communicator::Handle>(Communicator::Handle{comm}));
}

}  // namespace

Communicator::Communicator() = default;

Communicator::Communicator(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {
  check_mpi(MPI_Comm_set_errhandler(handle_->comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_rank(handle_->comm, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(handle_->comm, &size_), "MPI_Comm_size");
}

Communicator::~Communicator() {
  if (handle_ && handle_->comm != MPI_COMM_WORLD && std::uncaught_exceptions() == 0 && !mpi_is_over())
    MPI_Comm_free(&handle_->comm);
}

Communicator::Communicator(Communicator&& other) noexcept
    : handle_(std::move(other.handle_)), rank_(std::exchange(other.rank_, -1)), size_(std::exchange(other.size_, 0)) {}

Communicator& Communicator::operator=(Communicator&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(rank_, other.rank_);
  std::swap(size_, other.size_);
  return *this;
}

Communicator Communicator::split(std::optional<int> color) const {
  MPI_Comm made = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(handle_->comm, color.value_or(MPI_UNDEFINED), rank_, &made), "MPI_Comm_split");
  return owning(made);
}

Communicator Communicator::duplicate() const {
  MPI_Comm made = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(handle_->comm, &made), "MPI_Comm_dup");
  return owning(made);
}

Communicator Communicator::split_by_node() const {
  MPI_Comm made = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(handle_->comm, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &made),
            "MPI_Comm_split_type");
  return owning(made);
}

}  // namespace steergrid
