// A stand-in for a run, to be started with mpirun and killed: rank 0 commits, the others lead and write made-up rows.
//
//     store_writer run FILE [units-per-kind]     creates or resumes FILE; prints "pid P" and, once a unit is done,
//     "done U" store_writer verify FILE [units-per-kind]  every unit that is done reads back as made; prints "done U"
//     for each store_writer example FILE                  a small finished file with activations, for readers_test.py
#include <mpi.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/clock.h"
#include "comm/mpi_session.h"
#include "store/create.h"
#include "store/lock.h"
#include "store/result_file.h"
#include "tests/store/example_plan.h"

using namespace steergrid;
using namespace steergrid::store;

namespace {

struct Done {
  int unit = -1;
  std::uint64_t crc = 0;
};

void say(const char* what, long number) {
  std::printf("%s %ld\n", what, number);
  std::fflush(stdout);
}

Provenance example_provenance(const Example& e) {
  return provenance(to_json(run_identity(e.plan, e.spec, "cpu", {{"bfloat16", "avx2"}}, "none")), e.plan_text);
}

void write_as_leader(const Example& e, ResultFile& file, int unit) {
  if (e.plan.units[unit].kind == UnitKind::Evaluate) file.write_evaluation(unit, example_evaluation(e, unit).rows());
  if (e.plan.units[unit].kind == UnitKind::Extract && e.spec.activations != ActivationStore::None)
    file.write_activations(unit, example_block(e, unit).activations);
  file.sync();
}

void commit(const Example& e, ResultFile& file, const Done& done) {
  if (e.plan.units[done.unit].kind == UnitKind::Extract)
    file.write_block(done.unit, example_block(e, done.unit).rows());
  file.commit(done.unit, {done.crc, 0, wall_ns() - 1'000'000, wall_ns(), 0, 1});
  say("done", done.unit);
}

void lead(const Example& e, ResultFile& file, const std::vector<int>& todo, int leader, int leaders) {
  for (std::size_t i = static_cast<std::size_t>(leader); i < todo.size(); i += static_cast<std::size_t>(leaders)) {
    write_as_leader(e, file, todo[i]);
    const Done done{todo[i], example_checksum(e, todo[i])};
    MPI_Send(&done, sizeof done, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
  }
}

void coordinate(const Example& e, ResultFile& file, const std::vector<int>& todo, bool alone) {
  for (const int unit : todo) file.begin(unit, 1);
  for (int unit = 0; unit < static_cast<int>(e.plan.units.size()); ++unit) {
    if (e.plan.units[unit].kind != UnitKind::Vectors || file.records()[unit].state == UnitState::Done) continue;
    file.write_vectors(unit, example_vectors(e, unit).rows());
    commit(e, file, {unit, example_checksum(e, unit)});
  }
  for (const int unit : todo) {
    Done done{unit, example_checksum(e, unit)};
    if (alone) write_as_leader(e, file, unit);
    if (!alone) MPI_Recv(&done, sizeof done, MPI_BYTE, MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    commit(e, file, done);
  }
}

void run(const MpiSession& session, const std::string& path, const Example& e) {
  say("pid", ::getpid());
  std::optional<OutputLock> lock;
  if (session.rank() == 0) {
    lock.emplace(path);
    if (!std::filesystem::exists(path)) create_result_file(path, e.plan, e.spec, example_provenance(e));
    check_output(path, e.plan, e.spec, example_provenance(e), false);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  ResultFile file(path, e.plan, e.spec, session.world());
  std::vector<int> todo;
  if (session.rank() == 0) {
    LaunchRecord launch;
    launch.started = wall_ns();
    file.add_launch(launch);
    for (int unit = 0; unit < static_cast<int>(e.plan.units.size()); ++unit)
      if (file.records()[unit].state != UnitState::Done && e.plan.units[unit].kind != UnitKind::Vectors)
        todo.push_back(unit);
  }
  int count = static_cast<int>(todo.size());
  MPI_Bcast(&count, 1, MPI_INT, 0, MPI_COMM_WORLD);
  todo.resize(static_cast<std::size_t>(count));
  MPI_Bcast(todo.data(), count, MPI_INT, 0, MPI_COMM_WORLD);
  if (session.rank() == 0) coordinate(e, file, todo, session.size() == 1);
  if (session.rank() > 0) lead(e, file, todo, session.rank() - 1, session.size() - 1);
  file.close();
}

void verify(const MpiSession& session, const std::string& path, const Example& e) {
  ResultFile file(path, e.plan, e.spec, session.world());
  for (int unit = 0; unit < static_cast<int>(e.plan.units.size()); ++unit) {
    if (file.records()[unit].state != UnitState::Done) continue;
    std::uint64_t found = 0;
    if (e.plan.units[unit].kind == UnitKind::Extract) found = checksum_of(file.read_block(unit).rows());
    if (e.plan.units[unit].kind == UnitKind::Vectors) found = checksum_of(file.read_vectors(unit).rows());
    if (e.plan.units[unit].kind == UnitKind::Evaluate) found = checksum_of(file.read_evaluation(unit).rows());
    if (found != example_checksum(e, unit) || found != file.records()[unit].crc) failed("unit {} is wrong", unit);
    say("done", unit);
  }
  file.close();
}

}  // namespace

int main(int argc, char** argv) try {
  const MpiSession session(argc, argv);
  if (argc < 3) failed("usage: store_writer run|verify|example FILE [units]");
  const std::string mode = argv[1], path = argv[2];
  ExampleSize size;
  if (mode == "example") size.activations = ActivationStore::Float16;
  if (argc > 3) size.pairs = size.questions = std::atoi(argv[3]);
  if (argc > 3) size.pairs_a_unit = size.questions_a_unit = 1;
  const Example e = make_example(size);
  if (mode == "verify") {
    verify(session, path, e);
  } else {
    run(session, path, e);
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "store_writer: " << error.what() << std::endl;
  leave_at_once(ExitCode::Failed);
}
