// steergrid bench: one model on one device, timed; a table and JSON. Its figures are of this machine and this run.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <iostream>

#include "app/bench.h"
#include "app/commands.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/model_path.h"
#include "base/version.h"
#include "plan/fit.h"

namespace steergrid {
namespace {

struct Options {
  BenchOptions bench;
  std::string dtype = "auto", backend = "cpu", json;
  int threads = 0, device = 0;
  double peak = 0;  // TFLOP/s; 0: not given
};

/// The processor's or the GPU's own name; empty where the machine does not say.
std::string hardware(const Options& o) {
  if (o.backend == "cuda") return visible_gpus().at(static_cast<std::size_t>(o.device)).name;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  return {};
}

nlohmann::ordered_json json_of(const BenchPhase& phase, double peak) {
  const BenchPhase::Run& median = phase.median();
  nlohmann::ordered_json times = nlohmann::ordered_json::array();
  for (const BenchPhase::Run& run : phase.runs) times.push_back(run.seconds);
  nlohmann::ordered_json j = {
      {"seconds", median.seconds}, {"times", times}, {"flops", phase.flops}, {"tflops", phase.tflops()}};
  j["bytes_streamed"] = median.traffic.bytes_read;
  j["seconds_waited_for_blocks"] = median.traffic.seconds_waited;
  j["share_of_peak"] = peak > 0 ? nlohmann::ordered_json(phase.tflops() / peak) : nlohmann::ordered_json();
  return j;
}

nlohmann::ordered_json json_of(const BenchResult& r, const Options& o) {
  return {{"date", iso8601(wall_ns())},
          {"version", version_text()},
          {"hardware", hardware(o)},
          {"backend", r.backend},
          {"architecture", r.architecture},
          {"gemm", r.gemm},
          {"threads", o.threads > 0 ? nlohmann::ordered_json(o.threads) : nlohmann::ordered_json()},
          {"model", r.model},
          {"identity", r.identity},
          {"synthetic", r.synthetic},
          {"dtype", std::string(name_of(r.dtype))},
          {"weights", o.bench.streamed ? "streamed" : "resident"},
          {"cold", o.bench.cold},
          {"pairs", o.bench.pairs},
          {"questions", o.bench.questions},
          {"prompt_tokens", r.prompt_tokens},
          {"layers", r.layers},
          {"coefficients", r.coefficients},
          {"cells", r.cells},
          {"load", {{"seconds", r.load_seconds}, {"weight_bytes", r.weight_bytes}}},
          {"peak_tflops_given", o.peak},
          {"extract", json_of(r.extract, o.peak)},
          {"grid", json_of(r.grid, o.peak)},
          {"naive_grid_flops", r.naive_flops},
          {"planned_bytes", r.planned_bytes},
          {"peak_bytes", r.peak_bytes}};
}

void print_phase(const char* name, const BenchPhase& phase, double peak) {
  const auto& [seconds, traffic] = phase.median();
  fmt::print("| {} | {:.3f} s ({:.3f} to {:.3f} in {}) | {:.3g} necessary FLOPs | {:.4g} TFLOP/s{} |\n", name, seconds,
             phase.runs.front().seconds, phase.runs.back().seconds, phase.runs.size(), phase.flops, phase.tflops(),
             peak > 0 ? fmt::format(", {:.1f} % of {:g}", 100 * phase.tflops() / peak, peak) : "");
  const auto gigabytes = static_cast<double>(traffic.bytes_read) / 1e9;
  if (gigabytes > 0)
    fmt::print("| {}: blocks | {:.3f} s waited | {:.3f} GB read | {:.3g} GB/s over the phase |\n", name,
               traffic.seconds_waited, gigabytes, gigabytes / seconds);
}

void print(const BenchResult& r, const Options& o) {
  fmt::print("{}, {}\n{}: {} {}, {}; {}{}, {}, weights {}{}\n", iso8601(wall_ns()), version_text(), hardware(o),
             r.backend, r.architecture, r.gemm, r.identity, r.synthetic ? " (synthetic)" : "", name_of(r.dtype),
             o.bench.streamed ? "streamed" : "resident", o.bench.cold ? ", page cache left before each time" : "");
  fmt::print("{} pairs; {} questions of {:.0f} tokens, {} layers x {} coefficients\n\n", o.bench.pairs,
             o.bench.questions, r.prompt_tokens, r.layers, r.coefficients);
  fmt::print("| | time | work | rate |\n|---|---|---|---|\n");
  fmt::print("| load | {:.3f} s | {:.3f} GB of weights{} | {:.3g} GB/s |\n", r.load_seconds, r.weight_bytes / 1e9,
             r.synthetic ? ", made not read" : "", r.weight_bytes / 1e9 / r.load_seconds);
  print_phase("extract", r.extract, o.peak);
  print_phase("grid", r.grid, o.peak);
  fmt::print("| memory {}, at most | {:.3f} GB | planned for it {:.3f} GB | {:.1f} % |\n",
             o.backend == "cuda" ? "allocated on the GPU" : "of the process", r.peak_bytes / 1e9, r.planned_bytes / 1e9,
             100 * r.peak_bytes / r.planned_bytes);
}

void run(Options& o) {
  o.bench.dtype = dtype_from_name(o.dtype);
  if (o.bench.cold && is_synthetic(o.bench.model))
    bad_input("--cold: expected a checkpoint's folder as --model, found {}: its weights are made, not read",
              o.bench.model);
  if (o.backend == "cuda") {
    const auto gpus = visible_gpus();
    const auto device = static_cast<std::size_t>(o.device);  // where it is not there, the backend says so
    if (device < gpus.size()) o.bench.memory = usable(gpus[device].memory);
  }
  const BenchResult r = bench(o.bench, [&](DType dtype) {
    return o.backend == "cuda" ? make_cuda_backend(dtype, o.device) : make_cpu_backend(dtype, o.threads);
  });
  print(r, o);
  if (o.json.empty()) return;
  std::ofstream out(o.json);
  if (!(out << json_of(r, o).dump(1) << '\n').flush()) failed("{}: cannot write", o.json);
}

}  // namespace

void add_bench(CLI::App& app, ExitCode&, const Invocation&) {
  const auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bench", "Time loading, extraction and a grid of one model on one device");
  command->add_option("--model", o->bench.model, "A checkpoint folder or a synthetic model")->capture_default_str();
  command->add_option("--dtype", o->dtype)
      ->check(CLI::IsMember({"auto", "float32", "float16", "bfloat16"}))
      ->capture_default_str();
  command->add_option("--backend", o->backend)->check(CLI::IsMember({"cpu", "cuda"}))->capture_default_str();
  command->add_option("--device", o->device, "Which GPU")->check(CLI::NonNegativeNumber)->capture_default_str();
  command->add_option("--threads", o->threads, "Of the cpu backend; 0: OpenMP's choice")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--pairs", o->bench.pairs)->check(CLI::Range(1, 100000))->capture_default_str();
  command->add_option("--questions", o->bench.questions)->check(CLI::Range(1, 100000))->capture_default_str();
  command->add_option("--tokens", o->bench.tokens, "Tokens of a prompt, at least")
      ->check(CLI::Range(1, 4000))
      ->capture_default_str();
  command->add_option("--rows", o->bench.rows, "Rows in flight in one pass")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--repeats", o->bench.repeats, "Times each phase runs; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  CLI::Option* streamed =
      command->add_flag("--streamed", o->bench.streamed, "Weights stream through memory, two blocks at a time");
  command->add_flag("--cold", o->bench.cold, "Drop the checkpoint from the page cache before each time")
      ->needs(streamed);
  command->add_option("--peak", o->peak, "The device's TFLOP/s, to give rates as a share of it")
      ->check(CLI::PositiveNumber);
  command->add_option("--json", o->json, "File to write the figures to");
  command->callback([o] { run(*o); });
}

}  // namespace steergrid
