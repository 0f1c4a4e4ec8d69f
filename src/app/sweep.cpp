#include "app/sweep.h"

#include <sched.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iostream>
#include <limits>
#include <optional>
#include <set>

#include "app/coordinator_side.h"
#include "app/launch_log.h"
#include "app/reuse.h"
#include "app/start_together.h"
#include "app/supervise.h"
#include "app/worker_side.h"
#include "base/available_memory.h"
#include "base/clock.h"
#include "base/fingerprint.h"
#include "base/log.h"
#include "base/version.h"
#include "comm/lifelines.h"
#include "comm/mpi_team.h"
#include "comm/node_seat.h"
#include "comm/topology.h"
#include "farm/plan_facts.h"
#include "farm/run_inline.h"
#include "plan/fit.h"
#include "plan/identity.h"
#include "store/create.h"

namespace steergrid {
namespace {

/// The cores a rank may use, divided among the ranks that may use the same ones: a launcher that binds ranks has
/// divided them already. Rank 0 needs none where others work. Collective.
int threads_of_a_worker(const MpiSession& session, Team& everybody) {
  struct Seat {
    std::uint64_t host;
    cpu_set_t cores;
  };
  Seat mine{};
  mine.host = Fingerprint().add(session.host()).value();
  if (::sched_getaffinity(0, sizeof mine.cores, &mine.cores) != 0) CPU_SET(0, &mine.cores);
  const std::vector<std::byte> all = everybody.gather_host(std::as_bytes(std::span(&mine, 1)));
  int sharers = 0;
  for (int rank = session.size() > 1 ? 1 : 0; rank < session.size(); ++rank)
    if (std::memcmp(all.data() + static_cast<std::size_t>(rank) * sizeof mine, &mine, sizeof mine) == 0) ++sharers;
  return std::max(1, CPU_COUNT(&mine.cores) / std::max(1, sharers));
}

/// What a worker may fill where nothing else is said: an equal part of what its node has free.
std::int64_t memory_of_a_worker(const MpiSession& session) {
  const std::int64_t available = available_memory();
  if (available == 0) return std::numeric_limits<std::int64_t>::max();  // not known: what is too much will fail
  const int workers = session.node_size() - (session.size() > session.node_size() || session.size() == 1 ? 0 : 1);
  return usable(available) / std::max(1, workers);
}

/// What the plan's models compute with here: the GEMM kernels, and so the bits, may differ from dtype to dtype.
struct Machine {
  std::string backend, architecture, gemm;
};

Machine machine_of(const Plan& plan, const WorkerSide::MakeBackend& make_backend) {
  std::set<DType> dtypes;
  for (const ModelPlan& m : plan.models) dtypes.insert(m.facts.dtype);
  Machine machine;
  for (const DType dtype : dtypes) {
    const auto backend = make_backend(dtype);
    machine.backend = backend->name();
    machine.gemm = backend->gemm_library();
    machine.architecture +=
        fmt::format("{}{}: {}", machine.architecture.empty() ? "" : "; ", name_of(dtype), backend->architecture());
  }
  return machine;
}

/// The machine that decides a launch's bits. A coordinator of GPUs uses none: its first worker speaks for it.
/// Collective.
Machine machine_together(Team& everybody, const Plan& plan, const Device& device,
                         const WorkerSide::MakeBackend& make_backend) {
  using Text = std::array<char, 1024>;
  const bool coordinates = device.cuda && everybody.rank() == 0 && everybody.size() > 1;
  Machine machine;
  by_all(everybody, [&] {
    if (!coordinates) machine = machine_of(plan, make_backend);
  });
  std::array<Text, 3> mine{};
  const std::string* const texts[] = {&machine.backend, &machine.architecture, &machine.gemm};
  for (std::size_t i = 0; i < mine.size(); ++i) texts[i]->copy(mine[i].data(), sizeof(Text) - 1);
  const std::vector<std::byte> all = everybody.gather_host(std::as_bytes(std::span(mine)));
  if (!coordinates) return machine;
  const char* first = reinterpret_cast<const char*>(all.data()) + sizeof mine;
  return {first, first + sizeof(Text), first + 2 * sizeof(Text)};
}

/// Whether some rank's instruction set gives other bits than rank 0's, which the file names; refused without
/// `allow_mixed`. Collective.
bool machines_differ(const MpiSession& session, Team& everybody, const Machine& mine, bool allow_mixed) {
  const std::vector<std::byte> bytes = by_rank_0(everybody, [&] {
    const auto raw = std::as_bytes(std::span(mine.architecture));
    return std::vector<std::byte>(raw.begin(), raw.end());
  });
  const std::string first(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const bool other = mine.architecture != first;
  by_all(everybody, [&] {
    if (other && !allow_mixed)
      bad_input("rank {} on {}: expected what rank 0 computes with ({}), found {}; --allow-mixed accepts both",
                session.rank(), session.host(), first, mine.architecture);
  });
  const std::byte answer{other};
  const std::vector<std::byte> answers = everybody.gather_host(std::span(&answer, 1));
  return std::ranges::find(answers, std::byte{1}) != answers.end();
}

store::Provenance provenance_of(const Prepared& p, const Machine& machine) {
  const auto identity = store::run_identity(p.plan, p.spec, machine.backend, machine.architecture, machine.gemm);
  return store::provenance(store::to_json(identity), describe(p.plan, p.spec));
}

/// Rank 0's part before anybody opens the file: creates it, or checks that it belongs to this plan and identity.
/// Returns whether identities are mixed.
bool ready_output(const Prepared& p, const store::Provenance& provenance, bool allow_mixed) {
  if (store::stored_choices(p.spec.output))
    return store::check_output(p.spec.output, p.plan, p.spec, provenance, allow_mixed);
  store::create_result_file(p.spec.output, p.plan, p.spec, provenance);
  return false;
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
      fmt::format("{} {}{}{}", machine.backend, device, device.empty() ? "" : ", ", machine.architecture));
  return launch;
}

/// Ends a launch that lost ranks: closing the file, communicators and MPI would wait for them. All that is acknowledged
/// is in the file.
[[noreturn]] void leave_incomplete(const Ending& ending, bool speaks) {
  if (speaks && !ending.sentence.empty()) std::cerr << "steergrid: " << ending.sentence << '\n';
  if (speaks) tell_supervisor(ending.code);
  leave_at_once(ending.code);
}

/// The part between opening and closing the result file.
Ending run_farm(const Prepared& p, const Topology& topology, std::span<const UnitRecord> records,
                CoordinatorSide* coordinator, WorkerCalls calls, Exchanges& exchanges, Lifelines& lifelines) {
  calls.open_model = [open = calls.open_model, &exchanges](int model, Team& team) {
    open(model, exchanges.between(team));
  };
  if (topology.alone()) return run_inline(p.plan, records, coordinator->calls(), calls);
  if (topology.rank() == 0) {
    CoordinatorCalls all = coordinator->calls();
    all.lost = [&] { return lifelines.lost(); };
    all.dismiss = [&](int rank) { lifelines.cut(rank); };
    lifelines.tolerate();
    return Coordinator(p.plan, topology, records, all).run();
  }
  return Worker(p.plan, topology, calls).run();
}

}  // namespace

Ending run_sweep(const MpiSession& session, const SweepOptions& options, const SweepHooks& hooks) {
  const bool first = session.rank() == 0;
  start_log(first ? "coordinator" : fmt::format("rank {}", session.rank()), options.log, options.verbose);
  MpiTeam everybody(session.world().duplicate());
  Lifelines lifelines(session, everybody);
  const Prepared p = prepare_together(everybody, options.spec, options.full_hash);
  const Topology topology(session, degrees_of(p.plan));
  log_seats(session, everybody, seat_on_node(session));
  const int threads = options.threads > 0 ? options.threads : threads_of_a_worker(session, everybody);
  const Device device = choose_device(session, everybody, options.backend, options.share_gpus);
  std::optional<Exchanges> exchanges;
  by_all(everybody, [&] { exchanges.emplace(topology, degrees_of(p.plan), device); });
  const auto make_backend = [&exchanges, threads, device](DType dtype) {
    auto backend = device.cuda ? make_cuda_backend(dtype, device.number) : make_cpu_backend(dtype, threads);
    exchanges->use(*backend);
    return backend;
  };
  const Machine machine = machine_together(everybody, p.plan, device, make_backend);
  const bool machines_mixed = machines_differ(session, everybody, machine, options.allow_mixed);

  std::optional<store::OutputLock> lock;
  std::optional<Reuse> old;  // rank 0
  const std::vector<std::byte> mixed = by_rank_0(everybody, [&] {
    lock.emplace(p.spec.output);
    const store::Provenance provenance = provenance_of(p, machine);
    if (!options.reuse.empty()) old.emplace(options.reuse, p, provenance, options.allow_mixed);
    return std::vector<std::byte>{std::byte{ready_output(p, provenance, options.allow_mixed)}};
  });
  std::optional<store::ResultFile> file;
  if (topology.store())
    file.emplace(p.spec.output, p.plan, p.spec, topology.store(), machines_mixed || mixed[0] != std::byte{0});

  if (first) file->add_launch(launch_record(session, machine, device.name));
  if (!options.reuse.empty())
    by_rank_0(everybody, [&] {
      old->copy_into(*file);
      return std::vector<std::byte>();
    });
  std::optional<CoordinatorSide> coordinator;
  std::vector<UnitRecord> records;
  if (first) {
    coordinator.emplace(p, *file, *lock, ::isatty(STDERR_FILENO) != 0, !options.log.empty());
    records = coordinator->records(options.retry_failed);
    spdlog::info("{}: {} units in {}, {} rank(s), {} thread(s) each", p.spec.name, p.plan.units.size(), p.spec.output,
                 session.size(), threads);
  }
  const std::int64_t memory = options.memory > 0 ? options.memory : memory_of_a_worker(session);
  WorkerSide worker(p, file ? &*file : nullptr, {options.rows, options.naive, memory}, make_backend);
  const WorkerCalls calls = hooks.worker ? hooks.worker(worker.calls()) : worker.calls();
  Ending ending = run_farm(p, topology, records, coordinator ? &*coordinator : nullptr, calls, *exchanges, lifelines);
  lifelines.insist();
  if (!ending.complete) leave_incomplete(ending, first);
  if (file) file->close();
  if (first) log_summary(p.spec.output);
  return ending;
}

}  // namespace steergrid
