// steergrid doctor: which MPI, HDF5, CPU features and file system this machine has, and whether each will do.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <filesystem>
#include <thread>

#include "app/commands.h"
#include "app/report_interpreter.h"
#include "app/start_together.h"
#include "base/version.h"
#include "comm/mpi_session.h"
#include "comm/mpi_team.h"
#include "comm/nccl_team.h"
#include "kernels/backend.h"
#include "store/doctor.h"
#include "store/sink.h"

namespace steergrid {
namespace {

/// One finding: what was looked at, what was found, what follows.
void say(bool good, const std::string& what, const std::string& found, const std::string& so) {
  fmt::print("{:4} {:12} {}{}{}\n", good ? "ok" : "--", what, found, so.empty() ? "" : ": ", so);
}

void check_cpu() {
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const auto backend = make_cpu_backend(dtype, 0);
    if (dtype == DType::Float32) say(true, "CPU", fmt::format("{} core(s)", std::thread::hardware_concurrency()), "");
    const bool native = backend->weight_dtype() == dtype;
    say(true, "GEMM", fmt::format("{} {}, {}", name_of(dtype), backend->gemm_library(), backend->architecture()),
        native ? "" : "widened to float32 (twice the memory)");
  }
}

void check_gpu() {
  try {
    const auto backend = make_cuda_backend(DType::BFloat16, 0);
    for (const Gpu& gpu : visible_gpus())
      say(true, "GPU", fmt::format("{}, {:.1f} GB, {}", gpu.name, static_cast<double>(gpu.memory) * 1e-9, gpu.uuid),
          "");
    say(true, "GPU code", fmt::format("{}, {}", backend->architecture(), backend->gemm_library()), "");
  } catch (const Error& e) {
    say(false, "GPU", e.what(), "sweeps run on CPUs");
  }
  say(NcclTeam::available(), "NCCL", NcclTeam::version(),
      NcclTeam::available() ? "" : "needed only where a team of several GPUs holds one model");
}

void check_file_system(const std::string& folder) {
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) {
    say(false, "file system", folder, "cannot be looked at");
    return;
  }
  const double free_gb = static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize) / 1e9;
  const bool shared = store::leaders_write(folder);
  say(true, "file system", fmt::format("{} at {}, {:.1f} GB free", store::file_system_of(folder), folder, free_gb),
      shared ? "every team writes its own rows" : "rank 0 writes everything (slower for stored activations)");
}

void check_python() {
  const std::string python = report_interpreter();
  const std::string obstacle = keeps_from_reports(python);
  say(obstacle.empty(), "report", python,
      obstacle.empty() ? "has steergrid_analysis" : obstacle + ": steergrid report will not work");
}

/// Throws Error (bad input) where results cannot lie.
void check_folder(const std::string& folder) {
  std::error_code error;
  const auto there = std::filesystem::status(folder, error);
  if (std::filesystem::is_directory(there)) return;
  if (there.type() == std::filesystem::file_type::none)
    bad_input("{}: expected a folder, found what cannot be looked at ({})", folder, error.message());
  bad_input("{}: expected a folder, found {}", folder,
            std::filesystem::exists(there) ? "something else" : "none there");
}

}  // namespace

void add_doctor(CLI::App& app, ExitCode& code, const Invocation& invocation) {
  const auto folder = std::make_shared<std::string>(".");
  CLI::App* command = app.add_subcommand("doctor", "What of MPI, HDF5, CPU and file system works here");
  command->add_option("--output", *folder, "Folder where results will lie")->capture_default_str();
  command->callback([folder, &code, invocation] {
    int argc = invocation.argc;
    char** argv = invocation.argv;
    const MpiSession session(argc, argv);
    MpiTeam everybody(session.world().duplicate());
    by_all(everybody, [&] { check_folder(*folder); });
    const store::Hdf5Check hdf5 = store::check_hdf5(*folder, session.world());
    if (session.rank() != 0) return;
    fmt::print("{}\n", version_text());
    say(true, "MPI", MpiSession::library_version(), fmt::format("starts {} rank(s) here", session.size()));
    say(hdf5.works, "HDF5", hdf5.version, hdf5.finding);
    check_cpu();
    check_gpu();
    check_file_system(std::filesystem::weakly_canonical(*folder).string());
    check_python();
    if (!hdf5.works) code = ExitCode::Failed;
  });
}

}  // namespace steergrid
