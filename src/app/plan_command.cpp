// steergrid plan: what a sweep is and costs, before anything runs. No MPI, no GPU.
#include <algorithm>
#include <iostream>

#include "app/commands.h"
#include "app/prepare.h"
#include "engine/pass.h"
#include "kernels/backend.h"
#include "plan/print.h"

namespace steergrid {
namespace {

struct PlanOptions {
  std::string spec;
  int ranks = 0;
  std::int64_t rows = 16384;
};

/// A rank's memory while it runs the largest pass of the model's plan.
MemoryModel memory(const Prepared& p, const ModelPlan& model, const TokenCounts& tokens, std::int64_t rows) {
  MemoryOptions options;
  options.rows = std::min(rows, most_rows(p.plan, model, tokens));
  options.chunk_rows = std::min(options.rows, Pass::kChunkRows);
  options.logits = kHeadLogits;
  options.widens_bfloat16 = make_cpu_backend(DType::BFloat16, 1)->weight_dtype() == DType::Float32;
  return memory_of(model.facts, options);
}

void print(const PlanOptions& options) {
  const Prepared p = prepare(options.spec, Look::AtEverything, false, std::nullopt);
  std::vector<PricedModel> priced;
  for (std::size_t m = 0; m < p.plan.models.size(); ++m) {
    const ModelPlan& model = p.plan.models[m];
    priced.push_back({cost_of(p.plan, model, p.tokens[m]), memory(p, model, p.tokens[m], options.rows)});
  }
  std::cout << print_plan(p.spec, p.plan, priced, options.ranks > 0 ? std::optional(options.ranks) : std::nullopt);
}

}  // namespace

void add_plan(CLI::App& app, ExitCode&, const Invocation&) {
  const auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand("plan", "Cells, units, tokens, FLOPs and memory of a sweep, before it runs");
  command->add_option("spec", options->spec, "The sweep's YAML file")->required();
  command->add_option("--ranks", options->ranks, "Also the teams that this many ranks make")
      ->check(CLI::Range(1, 1 << 30));
  command->add_option("--rows", options->rows, "Rows in flight in one pass, as for run")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  command->callback([options] { print(*options); });
}

}  // namespace steergrid
