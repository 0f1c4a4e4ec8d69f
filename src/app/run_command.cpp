// steergrid run: runs or resumes a sweep, alone or under mpirun / srun.
#include <iostream>
#include <map>

#include "app/commands.h"
#include "app/sweep.h"
#include "farm/signals.h"

namespace steergrid {

void add_run(CLI::App& app, ExitCode& code, const Invocation& invocation) {
  const auto options = std::make_shared<SweepOptions>();
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
  const std::map<std::string, BackendChoice> backends{
      {"auto", BackendChoice::Auto}, {"cpu", BackendChoice::Cpu}, {"cuda", BackendChoice::Cuda}};
  command->add_option("--backend", options->backend, "auto (GPUs where workers see them), cpu or cuda")
      ->transform(CLI::CheckedTransformer(backends))
      ->default_str("auto");
  command->add_flag("--share-gpus", options->share_gpus, "Let several workers use one GPU (slower; to try things out)");
  command->add_flag("--naive", options->naive, "One full forward a question, layer and coefficient (to compare)");
  command->add_flag("--allow-mixed", options->allow_mixed,
                    "Resume under another backend, instruction set or library; recorded per unit");
  command->add_flag("--full-hash", options->full_hash,
                    "Identify checkpoints by all of their bytes, not by samples (from the first launch on)");
  command->add_flag("--retry-failed", options->retry_failed, "Run units again that failed or were blocked");
  command->add_flag("-v,--verbose", options->verbose, "Log more");
  command->callback([options, &code, invocation] {
    catch_stop_signals();
    int argc = invocation.argc;
    char** argv = invocation.argv;
    const MpiSession session(argc, argv);
    const Ending ending = run_sweep(session, *options, invocation.hooks);
    code = ending.code;
    if (session.rank() == 0 && !ending.sentence.empty()) std::cerr << "steergrid: " << ending.sentence << '\n';
  });
}

}  // namespace steergrid
