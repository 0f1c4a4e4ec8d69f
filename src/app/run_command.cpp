// steergrid run: runs or resumes a sweep, alone or under mpirun / srun.
#include <fmt/format.h>

#include <exception>
#include <map>
#include <optional>

#include "app/commands.h"
#include "app/supervise.h"
#include "app/sweep.h"
#include "base/log.h"
#include "farm/signals.h"
#include "farm/watchdog.h"
#include "spec/problems.h"

namespace steergrid {
namespace {

constexpr double kStartTime = 600;  // seconds to meet; thousands of ranks on a slow file system take minutes

/// The run itself. `rank` is this process's as soon as MPI has said it.
ExitCode run(const SweepOptions& options, const Invocation& invocation, int& rank) {
  catch_stop_signals();
  int argc = invocation.argc;
  char** argv = invocation.argv;
  std::optional<StartWatch> start;  // until lifelines watch
  start.emplace(kStartTime, rank_by_launcher().has_value());
  const MpiSession session(argc, argv);
  rank = session.rank();
  const Ending ending = run_sweep(session, options, invocation.hooks, start);
  if (rank == 0) tell_supervisor(ending.code);
  if (rank == 0 && !ending.sentence.empty()) tell_user(ending.sentence);
  return ending.code;
}

/// A supervisor hears of errors as well. Only here: other commands that its launcher may call are not the run.
ExitCode run_and_tell(const SweepOptions& options, const Invocation& invocation) {
  int rank = rank_by_launcher().value_or(0);
  try {
    return run(options, invocation, rank);
  } catch (const Error& e) {
    if (rank == 0) tell_supervisor(e.code());
    throw;
  } catch (const std::exception&) {
    if (rank == 0) tell_supervisor(ExitCode::Failed);
    throw;
  }
}

void add_backend(CLI::App& command, const std::shared_ptr<SweepOptions>& options) {
  const std::map<std::string, BackendChoice> backends{
      {"auto", BackendChoice::Auto}, {"cpu", BackendChoice::Cpu}, {"cuda", BackendChoice::Cuda}};
  command
      .add_option_function<std::string>(
          "--backend", [options, backends](const std::string& name) { options->backend = backends.at(name); },
          "auto (GPUs where workers see them), cpu or cuda")
      ->check([backends](const std::string& name) {  // CLI11's own message lists the numbers behind the names
        return backends.contains(name) ? "" : fmt::format("expected auto, cpu or cuda, found {}", in_quotes(name));
      })
      ->default_str("auto");
}

}  // namespace

void add_run(CLI::App& app, ExitCode& code, const Invocation& invocation) {
  const auto options = std::make_shared<SweepOptions>();
  const auto supervision = std::make_shared<Supervision>();
  CLI::App* command =
      app.add_subcommand("run", "Run a sweep; the same command resumes it (exit code 75: run it again)");
  command->add_option("spec", options->spec, "The sweep's YAML file")->required();
  command
      ->add_option("--threads", options->threads, "Threads of a worker (default: the node's cores among its workers)")
      ->check(CLI::Range(1, 1 << 30));
  command
      ->add_option("--rows", options->rows,
                   "Rows in flight in one pass: memory, not results, depends on it (default: 16384, or as many as "
                   "memory holds where weights stream)")
      ->check(CLI::Range(1, 1 << 30));
  command
      ->add_option("--memory", options->memory,
                   "What a worker may fill (24GB): weights that do not fit stream (default: its part of what is free)")
      ->transform(CLI::AsSizeValue(true));
  command->add_option("--log", options->log, "Append log lines to this file");
  add_backend(*command, options);
  command->add_flag("--share-gpus", options->share_gpus, "Let several workers use one GPU (slower; to try things out)");
  command->add_option("--reuse", options->reuse,
                      "Copy what another result file has of this sweep (same content), and compute the rest");
  command->add_flag("--naive", options->naive, "One full forward a question, layer and coefficient (to compare)");
  command->add_flag("--allow-mixed", options->allow_mixed,
                    "Resume under another backend, instruction set or library; recorded per unit");
  command->add_flag("--full-hash", options->full_hash,
                    "Identify checkpoints by all of their bytes, not by samples (from the first launch on)");
  command->add_flag("--retry-failed", options->retry_failed, "Run units again that failed or were blocked");
  command->add_flag("-v,--verbose", options->verbose, "Log more");
  command
      ->add_option("--restarts", supervision->restarts,
                   "Watch over the run from outside: start it again when it dies or asks for it, this often at most")
      ->check(CLI::Range(1, 1 << 30));
  command->add_option("--launcher", supervision->launcher, "With --restarts: what starts the ranks, as 'mpirun -n 9'");
  command->callback([options, supervision, &code, invocation] {
    if (!supervision->launcher.empty() && supervision->restarts == 0)
      bad_input("--launcher: expected --restarts N beside it; without restarts put the launcher before steergrid");
    code = supervision->restarts > 0 ? supervise(*supervision, invocation.argc, invocation.argv)
                                     : run_and_tell(*options, invocation);
  });
}

}  // namespace steergrid
