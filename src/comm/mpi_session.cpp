#include "comm/mpi_session.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "comm/mpi_handle.h"

namespace steergrid {
namespace {

/// What launchers tell each task about how many they started.
constexpr const char* kTaskCounts[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};

void check_launcher(int size) {
  if (size != 1) return;
  for (const char* name : kTaskCounts) {
    const char* value = std::getenv(name);
    if (value != nullptr && std::atoi(value) > 1)
      failed(
          "the launcher started {} tasks ({}), but MPI ({}) sees one: the launcher belongs to another MPI, or lacks "
          "its plug-in (with srun: --mpi=pmix)",
          value, name, MpiSession::library_version());
  }
}

Communicator begin(int& argc, char**& argv) {
  int given = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &given), "MPI_Init_thread");
  if (given < MPI_THREAD_FUNNELED)
    failed("MPI with thread support is needed (MPI_THREAD_FUNNELED), found {}", MpiSession::library_version());
  return Communicator(std::make_unique<Communicator::Handle>(Communicator::Handle{MPI_COMM_WORLD}));
}

std::string host_name() {
  char name[MPI_MAX_PROCESSOR_NAME] = {};
  int length = 0;
  check_mpi(MPI_Get_processor_name(name, &length), "MPI_Get_processor_name");
  return {name, static_cast<std::size_t>(length)};
}

}  // namespace

MpiSession::MpiSession(int& argc, char**& argv)
    : exceptions_at_start_(std::uncaught_exceptions()), world_(begin(argc, argv)) {
  check_launcher(world_.size());
  node_size_ = world_.split_by_node().size();
  host_ = host_name();
}

MpiSession::~MpiSession() {
  if (std::uncaught_exceptions() > exceptions_at_start_) return;
  world_ = Communicator();
  MPI_Finalize();
}

std::string MpiSession::library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string_view all(text, static_cast<std::size_t>(length));
  return std::string(all.substr(0, all.find_first_of(std::string_view("\n\0", 2))));
}

void leave_at_once(ExitCode code) {
  std::fflush(nullptr);
  _exit(static_cast<int>(code));
}

}  // namespace steergrid
