#include "store/doctor.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "store/hdf5.h"
#include "store/slabs.h"

namespace steergrid::store {
namespace {

constexpr std::size_t kTextBytes = 1024;
using Text = std::array<char, kTextBytes>;

Text packed(const std::string& text) {
  Text bytes{};
  text.copy(bytes.data(), bytes.size() - 1);
  return bytes;
}

/// The first sentence that is not empty, on every member. Collective.
std::string first_complaint(const Communicator& members, const std::string& mine) {
  const Text text = packed(mine);
  std::vector<Text> all(static_cast<std::size_t>(members.size()));
  check_mpi(MPI_Allgather(text.data(), kTextBytes, MPI_CHAR, all.data(), kTextBytes, MPI_CHAR, mpi_handle(members)),
            "MPI_Allgather");
  for (const Text& one : all)
    if (one[0] != '\0') return one.data();
  return "";
}

template <class Action>
std::string complaint_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void make_small_file(const std::string& path, hsize_t rows) {
  const Doing doing(path);
  const Handle access = doing.handle(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "making a file");
  doing.check(H5Pset_file_locking(access.id(), false, true), "making a file");  // as store/create
  const Handle file =
      doing.handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), H5Fclose, "making a file");
  const Handle space = doing.handle(H5Screate_simple(1, &rows, nullptr), H5Sclose, "making a file");
  const Handle early = doing.handle(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "making a file");
  doing.check(H5Pset_alloc_time(early.id(), H5D_ALLOC_TIME_EARLY), "making a file");
  doing.handle(H5Dcreate2(file.id(), "/rows", H5T_STD_I32LE, space.id(), H5P_DEFAULT, early.id(), H5P_DEFAULT),
               H5Dclose, "making a file");
}

void write_and_read(const std::string& path, const Handle& file, int rank) {
  const Doing doing(path);
  const Handle transfer = independent_transfer(doing);
  Slabs slabs(doing, file.id(), transfer.id());
  const std::int32_t mine = 1000 + rank;
  slabs.write("/rows", ElementType::I32, static_cast<std::uint64_t>(rank), 1, &mine, 1);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fdatasync(descriptor) == 0;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) failed("{}: fdatasync failed ({})", path, std::strerror(errno));
  std::int32_t found = 0;
  slabs.read("/rows", ElementType::I32, static_cast<std::uint64_t>(rank), 1, &found, 1);
  if (found != mine) failed("{}: wrote {}, read {}", path, mine, found);
}

}  // namespace

Hdf5Check check_hdf5(const std::string& folder, const Communicator& members) {
  start_hdf5();
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  Hdf5Check check{false, fmt::format("{}.{}.{}, parallel", major, minor, release), ""};
  Text name = packed((std::filesystem::path(folder) / fmt::format(".steergrid-doctor-{}.h5", ::getpid())).string());
  check_mpi(MPI_Bcast(name.data(), kTextBytes, MPI_CHAR, 0, mpi_handle(members)), "MPI_Bcast");
  const std::string path = name.data();
  const bool first = members.rank() == 0;

  check.finding = first_complaint(members, complaint_of([&] {
                                    if (first) make_small_file(path, static_cast<hsize_t>(members.size()));
                                  }));
  if (check.finding.empty()) {
    Handle file;
    check.finding =
        first_complaint(members, complaint_of([&] { file = open_over_mpi(Doing(path), path, mpi_handle(members)); }));
    if (!check.finding.empty()) file.release();  // closing would wait for those who never opened
    if (file) {
      check.finding = first_complaint(members, complaint_of([&] { write_and_read(path, file, members.rank()); }));
      file.close();
    }
  }
  if (first) ::unlink(path.c_str());
  check.works = check.finding.empty();
  if (check.works) check.finding = fmt::format("{} rank(s) write and read over MPI in {}", members.size(), folder);
  return check;
}

}  // namespace steergrid::store
