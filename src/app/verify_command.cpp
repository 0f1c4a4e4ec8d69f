// steergrid verify: hands over to the Python package, which reads both results and says whether they agree.
#include <filesystem>

#include "app/commands.h"
#include "app/hand_over.h"

namespace steergrid {
namespace {

struct VerifyOptions {
  std::string file, other, tolerance, model, run, size;
  bool json = false;
};

/// The result files among the two: a folder is one of published results, which hold no HDF5.
std::vector<std::string> result_files(const VerifyOptions& options) {
  std::error_code error;  // what cannot be looked at is the reader's to say
  if (std::filesystem::is_directory(options.other, error)) return {options.file};
  return {options.file, options.other};
}

[[noreturn]] void verify(const VerifyOptions& options) {
  std::vector<std::string> arguments{"verify", "--against=" + options.other};
  if (!options.tolerance.empty()) arguments.push_back("--tolerance=" + options.tolerance);
  if (!options.model.empty()) arguments.push_back("--model=" + options.model);
  if (!options.run.empty()) arguments.push_back("--run=" + options.run);
  if (!options.size.empty()) arguments.push_back("--size=" + options.size);
  if (options.json) arguments.emplace_back("--json");
  arguments.insert(arguments.end(), {"--", options.file});
  hand_over(std::move(arguments), result_files(options));
}

}  // namespace

void add_verify(CLI::App& app, ExitCode&, const Invocation&) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* command =
      app.add_subcommand("verify", "Whether another result agrees: a result file, or CAA's own results");
  command->add_option("results", options->file, "The result file")->required();
  command->add_option("--against", options->other, "Another result file, or a folder of results as CAA published them")
      ->required();
  command
      ->add_option("--tolerance", options->tolerance,
                   "How far probabilities may differ (default: not a bit; with a folder 1e-4)")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--model", options->model, "With a folder: the model to hold against it (default: the only one)");
  command->add_option("--run", options->run, "With a folder: the run (default: those that add a behavior's vector)");
  command->add_option("--size", options->size,
                      "With a folder: of which model, as its files name it: 7b (default: the only one)");
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options] { verify(*options); });
}

}  // namespace steergrid
