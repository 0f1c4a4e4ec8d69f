#include "app/machine.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "app/start_together.h"
#include "base/available_memory.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fingerprint.h"
#include "base/version.h"
#include "plan/fit.h"

namespace steergrid {
namespace {

Machine machine_of(const Plan& plan, const WorkerSide::MakeBackend& make_backend) {
  std::set<DType> dtypes;
  for (const ModelPlan& m : plan.models) dtypes.insert(m.facts.dtype);
  Machine machine;
  for (const DType dtype : dtypes) {
    const auto backend = make_backend(dtype);
    machine.backend = backend->name();
    machine.gemm = backend->gemm_library();
    machine.architecture[std::string(name_of(dtype))] = backend->architecture();
  }
  return machine;
}

/// Open MPI's mpirun binds ranks unless told not to, and is not bound itself.
int cores_of_mpirun() {
  cpu_set_t cores{};
  const bool by_mpirun = std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr;
  return by_mpirun && ::sched_getaffinity(::getppid(), sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 0;
}

}  // namespace

int threads_for(std::span<const Cores> all, std::size_t rank) {
  const Cores& mine = all[rank];
  const auto workers = all.size() > 1 ? all.subspan(1) : all;
  const auto sharers = std::ranges::count_if(
      workers, [&mine](const Cores& other) { return other.host == mine.host && CPU_EQUAL(&other.cores, &mine.cores); });
  return std::max(1, CPU_COUNT(&mine.cores) / std::max(1, static_cast<int>(sharers)));
}

std::optional<std::pair<int, int>> left_idle(std::span<const Cores> all) {
  for (const Cores& one : all) {
    cpu_set_t used{}, workers{};
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
      if (all[rank].host != one.host) continue;
      CPU_OR(&used, &used, &all[rank].cores);
      if (rank > 0 || all.size() == 1) CPU_OR(&workers, &workers, &all[rank].cores);
    }
    if (CPU_COUNT(&workers) > 0 && CPU_COUNT(&used) < one.launcher_cores)
      return std::pair(CPU_COUNT(&workers), one.launcher_cores);
  }
  return std::nullopt;
}

std::string Machine::architectures() const {
  std::string text;
  for (const auto& [dtype, name] : architecture) text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", dtype, name);
  return text;
}

int threads_of_a_worker(const MpiSession& session, Team& everybody) {
  Cores mine{};
  mine.host = Fingerprint().add(session.host()).value();
  if (::sched_getaffinity(0, sizeof mine.cores, &mine.cores) != 0) CPU_SET(0, &mine.cores);
  mine.launcher_cores = cores_of_mpirun();
  const std::vector<std::byte> bytes = everybody.gather_host(std::as_bytes(std::span(&mine, 1)));
  std::vector<Cores> all(bytes.size() / sizeof mine);
  std::memcpy(all.data(), bytes.data(), bytes.size());
  if (const auto idle = session.rank() == 0 ? left_idle(all) : std::nullopt)
    spdlog::warn("mpirun binds the workers of a node to {} of its {} cores: --bind-to none lets them use all",
                 idle->first, idle->second);
  return threads_for(all, static_cast<std::size_t>(session.rank()));
}

std::int64_t memory_of_a_worker(const Device& device, const std::optional<NodeSeat>& seat) {
  if (device.cuda) return usable(device.memory);
  const auto available = available_memory();
  if (!available) return std::numeric_limits<std::int64_t>::max();  // not known: what is too much will fail
  return usable(*available) / (seat ? seat->workers : 1);
}

Machine machine_together(Team& everybody, const Plan& plan, const Device& device,
                         const WorkerSide::MakeBackend& make_backend) {
  using Text = std::array<char, 1024>;
  const bool coordinates = device.cuda && everybody.rank() == 0 && everybody.size() > 1;
  Machine machine;
  by_all(everybody, [&] {
    if (!coordinates) machine = machine_of(plan, make_backend);
  });
  std::array<Text, 3> mine{};
  const std::string texts[] = {machine.backend, machine.gemm, nlohmann::json(machine.architecture).dump()};
  for (std::size_t i = 0; i < mine.size(); ++i) texts[i].copy(mine[i].data(), sizeof(Text) - 1);
  const std::vector<std::byte> all = everybody.gather_host(std::as_bytes(std::span(mine)));
  if (!coordinates) return machine;
  const char* first = reinterpret_cast<const char*>(all.data()) + sizeof mine;
  return {first, first + sizeof(Text), nlohmann::json::parse(first + 2 * sizeof(Text))};
}

bool machines_differ(const MpiSession& session, Team& everybody, const Machine& mine, bool allow_mixed) {
  const std::string ours = mine.architectures();
  const std::vector<std::byte> bytes = by_rank_0(everybody, [&] {
    const auto raw = std::as_bytes(std::span(ours));
    return std::vector<std::byte>(raw.begin(), raw.end());
  });
  const std::string first(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const bool other = ours != first;
  by_all(everybody, [&] {
    if (other && !allow_mixed)
      bad_input("rank {} on {}: expected what rank 0 computes with ({}), found {}; --allow-mixed accepts both",
                session.rank(), session.host(), first, ours);
  });
  const std::byte answer{other};
  const std::vector<std::byte> answers = everybody.gather_host(std::span(&answer, 1));
  return std::ranges::find(answers, std::byte{1}) != answers.end();
}

store::LaunchRecord launch_record(const MpiSession& session, const Machine& machine, const std::string& device) {
  store::LaunchRecord launch;
  launch.started = wall_ns();
  launch.ranks = static_cast<std::uint32_t>(session.size());
  launch.pid = static_cast<std::uint32_t>(::getpid());
  const auto put = [](auto& field, const std::string& text) {
    std::memcpy(field, text.data(), std::min(text.size(), sizeof field - 1));
  };
  put(launch.host, session.host());
  put(launch.binary, version_text());
  put(launch.devices,
      fmt::format("{} {}{}{}", machine.backend, device, device.empty() ? "" : ", ", machine.architectures()));
  return launch;
}

}  // namespace steergrid
