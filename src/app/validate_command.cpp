// steergrid validate: everything that can be known to be wrong before a run: spec, data sets, tokenizers, tensors.
#include <fmt/format.h>

#include "app/commands.h"
#include "app/prepare.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/model_source.h"
#include "spec/warnings.h"

namespace steergrid {
namespace {

void validate(const std::string& spec_file) {
  const double start = monotonic_seconds();
  const Prepared p = prepare(spec_file, Look::AtEverything, false, std::nullopt);
  for (std::size_t i = 0; i < p.facts.size(); ++i) {
    const DType stored = ModelSource(p.spec.models[i].path).dtype(), computed = p.facts[i].dtype;
    fmt::print("model {}: {}, {}\n", p.spec.models[i].name,
               p.facts[i].synthetic ? "synthetic, weights are made up" : "tensors as config.json says",
               p.facts[i].synthetic || stored == computed
                   ? std::string(name_of(computed))
                   : fmt::format("{}, computed as {}", name_of(stored), name_of(computed)));
  }
  for (const VectorSource& v : p.spec.vectors) fmt::print("pairs {}: {} items\n", v.name, v.pairs.items.size());
  for (const RunSpec& r : p.spec.runs) fmt::print("questions {}: {} items\n", r.name, r.questions.items.size());
  for (const std::string& line : warnings_of(p.spec)) tell_user("warning: " + line);
  fmt::print("{}: valid ({:.1f} s)\n", spec_file, monotonic_seconds() - start);
}

}  // namespace

void add_validate(CLI::App& app, ExitCode&, const Invocation&) {
  const auto spec = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("validate", "Check a spec, its data sets, tokenizers and every tensor");
  command->add_option("spec", *spec, "The sweep's YAML file")->required();
  command->callback([spec] { validate(*spec); });
}

}  // namespace steergrid
