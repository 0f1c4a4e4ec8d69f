#include "app/sweep.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <optional>

#include "app/coordinator_side.h"
#include "app/launch_log.h"
#include "app/machine.h"
#include "app/reuse.h"
#include "app/start_together.h"
#include "app/supervise.h"
#include "app/untrusted_result.h"
#include "app/worker_side.h"
#include "base/log.h"
#include "comm/lifelines.h"
#include "comm/mpi_team.h"
#include "comm/node_seat.h"
#include "comm/topology.h"
#include "farm/plan_facts.h"
#include "farm/run_inline.h"
#include "plan/identity.h"
#include "spec/warnings.h"
#include "store/create.h"
#include "store/lock.h"
#include "store/status.h"

namespace steergrid {
namespace {

/// A log file that nobody can open is rank 0's to say. Collective.
void log_together(Team& everybody, const SweepOptions& options) {
  by_rank_0(everybody, [&] {
    start_log("coordinator", options.log, options.verbose);
    return std::vector<std::byte>();
  });
  by_all(everybody, [&] {
    if (everybody.rank() > 0) start_log(fmt::format("rank {}", everybody.rank()), options.log, options.verbose);
  });
}

store::Provenance provenance_of(const Prepared& p, const Machine& machine) {
  const auto identity = store::run_identity(p.plan, p.spec, machine.backend, machine.architecture, machine.gemm);
  return store::provenance(store::to_json(identity), describe(p.plan, p.spec));
}

/// Rank 0's part before anybody opens the file: creates it, or checks that it belongs to this plan and identity.
/// Returns whether identities are mixed.
bool ready_output(const Prepared& p, const store::Provenance& provenance, bool allow_mixed) {
  const auto check = [&] { return store::check_output(p.spec.output, p.plan, p.spec, provenance, allow_mixed); };
  if (store::stored_choices(p.spec.output)) {
    try_in_a_child(untrusted_result(p.spec.output), [&] {  // all that is read before the first unit
      check();
      store::read_status(p.spec.output, 0);
    });
    return check();
  }
  store::create_result_file(p.spec.output, p.plan, p.spec, provenance);
  return false;
}

/// The result file as this rank has it.
struct Output {
  std::optional<store::OutputLock> lock;  // rank 0
  std::optional<Reuse> old;               // rank 0, with --reuse
  std::optional<store::ResultFile> file;  // rank 0 and the leaders
};

/// Rank 0 takes the lock and makes the file, or checks the one that is there; then all who write open it. Collective.
void open_output(Team& everybody, const Topology& topology, const Prepared& p, const Machine& machine,
                 bool machines_mixed, const SweepOptions& options, bool rank_0_writes, Output& output) {
  const std::vector<std::byte> mixed = by_rank_0(everybody, [&] {
    output.lock.emplace(p.spec.output);
    const store::Provenance provenance = provenance_of(p, machine);
    if (!options.reuse.empty()) output.old.emplace(options.reuse, p, provenance, options.allow_mixed);
    return std::vector<std::byte>{std::byte{ready_output(p, provenance, options.allow_mixed)}};
  });
  if (topology.store())
    output.file.emplace(p.spec.output, p.plan, p.spec, topology.store(), machines_mixed || mixed[0] != std::byte{0},
                        rank_0_writes);
  if (everybody.rank() == 0 && !topology.alone() && !output.file->leaders_write())
    spdlog::info("{}: rank 0 writes everything{}", p.spec.output,
                 rank_0_writes ? "" : ": this file system is not one for several writers");
}

/// Ends a launch that lost ranks: closing the file, communicators and MPI would wait for them. All that is acknowledged
/// is in the file. A launcher may end this process soon after its first rank has left: what matters most is said first.
[[noreturn]] void leave_incomplete(const Ending& ending, bool speaks, const std::string& path, Output& output) {
  if (speaks && !ending.sentence.empty()) tell_user(ending.sentence);
  if (speaks) tell_supervisor(ending.code);
  output.lock.reset();  // leaving runs no destructor: an owner file would stay
  if (speaks) log_summary(path);
  leave_at_once(ending.code);
}

/// The part between opening and closing the result file.
Ending run_farm(const Prepared& p, const Topology& topology, std::span<const UnitRecord> records,
                CoordinatorSide* coordinator, WorkerCalls calls, Exchanges& exchanges, Lifelines& lifelines) {
  const std::string who = fmt::format("rank {}", topology.rank());
  calls.open_model = [&, open = calls.open_model](int model, Team& team) {
    const int degree = p.plan.models[static_cast<std::size_t>(model)].facts.tensor_parallel;
    if (topology.rank() > 0) name_log(fmt::format("{}, team {}", who, topology.seat(degree)->team));
    open(model, exchanges.between(team));
  };
  calls.close_model = [&, close = calls.close_model](int model) {
    close(model);
    if (topology.rank() > 0) name_log(who);
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

Ending run_sweep(const MpiSession& session, const SweepOptions& options, const SweepHooks& hooks,
                 std::optional<StartWatch>& start) {
  const bool first = session.rank() == 0;
  MpiTeam everybody(session.world().duplicate());
  log_together(everybody, options);
  Lifelines lifelines(session, everybody);
  start.reset();
  const std::optional<NodeSeat> seat = seat_on_node(session);
  const Device device = choose_device(session, everybody, seat, options.backend, options.share_gpus);
  const auto gpus = device.cuda ? GpuChoice({device.memory, device.workers}) : std::nullopt;
  const Prepared p = prepare_together(everybody, options.spec, options.full_hash, gpus);
  const Topology topology(session, degrees_of(p.plan));
  if (first) {
    log_seats(device.places);
    for (const std::string& line : warnings_of(p.spec)) spdlog::warn("{}", line);
  }
  const int threads = options.threads > 0 ? options.threads : threads_of_a_worker(session, everybody);
  std::optional<Exchanges> exchanges;
  by_all(everybody, [&] { exchanges.emplace(topology, degrees_of(p.plan), device); });
  const auto make_backend = [&exchanges, threads, &device](DType dtype) {
    auto backend = device.cuda ? make_cuda_backend(dtype, device.number) : make_cpu_backend(dtype, threads);
    exchanges->use(*backend);
    return backend;
  };
  const Machine machine = machine_together(everybody, p.plan, device, make_backend);
  const bool mixed = machines_differ(session, everybody, machine, options.allow_mixed);
  Output output;
  open_output(everybody, topology, p, machine, mixed, options, hooks.rank_0_writes, output);
  if (first) output.file->add_launch(launch_record(session, machine, device.name));
  if (!options.reuse.empty())
    by_rank_0(everybody, [&] {
      output.old->copy_into(*output.file);
      return std::vector<std::byte>();
    });
  std::optional<CoordinatorSide> coordinator;
  std::vector<UnitRecord> records;
  if (first) {
    coordinator.emplace(p, *output.file, ::isatty(STDERR_FILENO) != 0, !options.log.empty());
    records = coordinator->records(options.retry_failed);
    if (options.retry_failed) tell_supervisor_of_retry();
    spdlog::info("{}: {} units in {}, {} rank(s), {} thread(s) each", p.spec.name, p.plan.units.size(), p.spec.output,
                 session.size(), threads);
  }
  const std::int64_t memory = options.memory > 0 ? options.memory : memory_of_a_worker(device, seat);
  WorkerSide worker(p, output.file ? &*output.file : nullptr, {options.rows, options.naive, memory, device.cuda},
                    make_backend);
  const WorkerCalls calls = hooks.worker ? hooks.worker(worker.calls()) : worker.calls();
  Ending ending = run_farm(p, topology, records, coordinator ? &*coordinator : nullptr, calls, *exchanges, lifelines);
  coordinator.reset();  // what is said from here on stands below its progress line
  lifelines.insist();
  if (!ending.complete) leave_incomplete(ending, first, p.spec.output, output);
  if (output.file) output.file->close();
  if (first) log_summary(p.spec.output);
  return ending;
}

}  // namespace steergrid
