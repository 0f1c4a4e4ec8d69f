// steergrid make-model: a synthetic model as a checkpoint folder, for tests of loaders and of streaming.
#include <fmt/format.h>

#include <cstdio>

#include "app/commands.h"
#include "base/clock.h"
#include "base/model_path.h"
#include "engine/write_synthetic.h"

namespace steergrid {
namespace {

struct MakeModelOptions {
  std::string model, folder, dtype = "auto";
  std::uint64_t shard_bytes = std::uint64_t{5} * 1000 * 1000 * 1000;
};

void make_model(const MakeModelOptions& options) {
  if (!is_synthetic(options.model))
    bad_input("expected a synthetic model such as random:llama-2-7b, found '{}'", options.model);
  const SyntheticModel model = parse_synthetic(options.model);
  const DType dtype = dtype_from_name(options.dtype).value_or(kSyntheticDType);
  const double start = monotonic_seconds();
  const WrittenModel written = write_synthetic(
      model, options.folder, {dtype, static_cast<std::int64_t>(options.shard_bytes)}, [](int shard, int shards) {
        fmt::print("writing file {} of {}\n", shard, shards);
        std::fflush(stdout);
      });
  fmt::print("{}: {}, {}, {:.2f} GB in {} file(s), {:.1f} s\n", options.folder, model.canonical(), name_of(dtype),
             static_cast<double>(written.bytes) / 1e9, written.shards, monotonic_seconds() - start);
}

}  // namespace

void add_make_model(CLI::App& app, ExitCode&, const Invocation&) {
  const auto options = std::make_shared<MakeModelOptions>();
  CLI::App* command = app.add_subcommand(
      "make-model", "Write a synthetic model (random:...) as a checkpoint folder; its answers mean nothing");
  command->add_option("model", options->model, "random:llama-2-7b[,layers=N...][?seed=N], see docs/models.md")
      ->required();
  command->add_option("-o,--output", options->folder, "A new or empty folder")->required();
  command->add_option("--shard-size", options->shard_bytes, "Most bytes of tensors in a file, as 5GB or 512MiB")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 60))
      ->capture_default_str();
  command->add_option("--dtype", options->dtype, "auto is float16; the values are the same in all")
      ->check(CLI::IsMember({"auto", "float32", "float16", "bfloat16"}))
      ->capture_default_str();
  command->callback([options] { make_model(*options); });
}

}  // namespace steergrid
