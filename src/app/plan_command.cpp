// steergrid plan: what a sweep is and costs, before anything runs. No MPI, no GPU.
#include <algorithm>
#include <iostream>
#include <numeric>

#include "app/commands.h"
#include "app/memory_options.h"
#include "app/output_outlook.h"
#include "app/prepare.h"
#include "base/log.h"
#include "plan/print.h"
#include "spec/warnings.h"

namespace steergrid {
namespace {

struct PlanOptions {
  std::string spec;
  int ranks = 0;
  std::int64_t rows = 0;
  std::int64_t gpu_memory = 0;  // bytes; 0: not asked
  int gpus = 1;
};

/// Rows of the larger phase, all units of it in one pass: what a team with streamed weights runs if memory holds it.
std::int64_t rows_of_a_phase(const ModelCost& cost) {
  const auto rows = [](std::int64_t sum, const WorkCost& w) { return sum + w.tokens + w.fork_rows; };
  return std::max(std::accumulate(cost.vectors.begin(), cost.vectors.end(), std::int64_t{0}, rows),
                  std::accumulate(cost.runs.begin(), cost.runs.end(), std::int64_t{0}, rows));
}

/// A rank's memory while it runs the largest pass of the model's plan. `rows` as in a run: 0 means the usual.
MemoryModel memory(const Prepared& p, const ModelPlan& model, const TokenCounts& tokens, const ModelCost& cost,
                   std::int64_t rows) {
  const bool streamed = p.spec.models[static_cast<std::size_t>(model.model)].weights == WeightsIn::Stream;
  const std::int64_t largest = streamed ? rows_of_a_phase(cost) : most_rows(p.plan, model, tokens);
  const std::int64_t most = rows > 0 ? rows : streamed ? largest : kRowsInFlight;
  MemoryOptions options = memory_options(false, std::min(most, largest));
  options.streamed = streamed;
  return memory_of(model.facts, options);
}

/// What a run would find at the output; why it would refuse that is said, but this plan is told all the same.
std::string outlook(const Prepared& p) try {
  check_existing_output(p);
  return output_outlook(p);
} catch (const Error& e) {
  tell_user(fmt::format("warning: `run` would refuse: {}", e.what()));
  return "result file: there, and a run would refuse it: see the warning";
}

/// What fits on GPUs, a line a degree; nothing where none were named.
std::string fits(const Prepared& p, const ModelPlan& model, const PlanOptions& options) {
  if (options.gpu_memory == 0) return {};
  const WeightsIn where = p.spec.models[static_cast<std::size_t>(model.model)].weights;
  return print_fits(model.facts, memory_options(true, options.rows > 0 ? options.rows : kRowsInFlight), where,
                    {options.gpu_memory, options.gpus});
}

void print(const PlanOptions& options) {
  const Prepared p = prepare(options.spec, Look::AtEverything, false, std::nullopt,
                             options.gpu_memory > 0 ? GpuChoice({options.gpu_memory, options.gpus}) : std::nullopt);
  std::vector<PricedModel> priced;
  for (std::size_t m = 0; m < p.plan.models.size(); ++m) {
    const ModelPlan& model = p.plan.models[m];
    const ModelCost cost = cost_of(p.plan, model, p.tokens[m]);
    priced.push_back({cost, memory(p, model, p.tokens[m], cost, options.rows), fits(p, model, options)});
  }
  for (const std::string& line : warnings_of(p.spec)) tell_user("warning: " + line);
  std::cout << print_plan(p.spec, p.plan, priced, options.ranks > 0 ? std::optional(options.ranks) : std::nullopt);
  std::cout << outlook(p) << '\n';
}

}  // namespace

void add_plan(CLI::App& app, ExitCode&, const Invocation&) {
  const auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand("plan", "Cells, units, tokens, FLOPs and memory of a sweep, before it runs");
  command->add_option("spec", options->spec, "The sweep's YAML file")->required();
  command->add_option("--ranks", options->ranks, "Also the teams that this many ranks make")
      ->check(CLI::Range(1, 1 << 30));
  command->add_option("--rows", options->rows, "Rows in flight in one pass, as for run")->check(CLI::Range(1, 1 << 30));
  CLI::Option* memory =
      command
          ->add_option("--gpu-memory", options->gpu_memory,
                       "Also what fits on GPUs of this size (80GB, 16GiB), at every tensor-parallel degree")
          ->transform(CLI::AsSizeValue(true));
  command->add_option("--gpus", options->gpus, "How many GPUs there are, with --gpu-memory")
      ->needs(memory)  // a number of GPUs alone says nothing about what fits
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->callback([options] { print(*options); });
}

}  // namespace steergrid
