// Forks against our own naive loop, and the pass's rate against oneDNN's: prints a table and writes JSON.
//
// A random Llama (16 layers, hidden 1024, vocabulary 32,000), random prompts of about 100 tokens, two steered
// positions, every layer, eight coefficients. The naive loop (one full forward a question, layer and coefficient, batch
// 1) is timed on a sample of cells spread over the grid and multiplied by the number of forwards; the table says so.
// One run gives both, so the ratio is of one machine at one time.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <malloc.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "base/clock.h"
#include "base/fingerprint.h"
#include "engine/checkpoint_weights.h"
#include "engine/pass.h"
#include "gemm_rate.h"
#include "made_up_model.h"

namespace steergrid {
namespace {

constexpr ModelShape kShape{.n_layers = 16,
                            .hidden = 1024,
                            .n_heads = 16,
                            .n_kv_heads = 16,
                            .head_size = 64,
                            .feed_forward = 2816,
                            .vocabulary = 32000,
                            .tied_embeddings = false};
constexpr int kSteered = 2;
constexpr float kCoefficients[] = {-4, -2, -1, -0.5f, 0.5f, 1, 2, 4};

struct Options {
  std::string dtype = "float32", json, folder;
  int questions = 20, sample = 200, threads = 2;
};

struct Measured {
  double grid_s = 0, naive_s = 0;  // naive: of the sample
  int naive_forwards = 0, all_forwards = 0;
  double grid_flops = 0, naive_flops = 0;  // naive: of one forward a question, layer and coefficient, all of them
};

/// FLOPs of `rows` rows through one block with `keys` keys seen in all.
double block_flops(double rows, double keys) {
  return 2.0 * rows * static_cast<double>(kShape.layer_matrix_parameters()) +
         4.0 * keys * kShape.n_heads * kShape.head_size;
}

double head_flops(double rows) { return 2.0 * rows * kShape.hidden * kShape.vocabulary; }

double plain_flops(double tokens) {
  return kShape.n_layers * block_flops(tokens, tokens * (tokens + 1) / 2) + head_flops(1);
}

double fork_flops(double tokens, int layer) {
  const double keys = kSteered * tokens - 1.0;  // positions T-2 and T-1 see T-1 and T keys
  return (kShape.n_layers - 1 - layer) * block_flops(kSteered, keys) + head_flops(1);
}

std::vector<std::vector<std::int32_t>> random_prompts(int count) {
  std::mt19937 random(3);
  std::vector<std::vector<std::int32_t>> prompts(static_cast<std::size_t>(count));
  for (auto& p : prompts) {
    p.resize(90 + random() % 21);
    for (auto& id : p) id = static_cast<std::int32_t>(random() % static_cast<unsigned>(kShape.vocabulary));
  }
  return prompts;
}

std::vector<float> random_vectors() {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 0.1f);
  std::vector<float> v(static_cast<std::size_t>(kShape.n_layers * kShape.hidden));
  for (float& x : v) x = normal(random);
  return v;
}

Sequence cell(const std::vector<std::int32_t>& tokens, int layer, float coefficient) {
  return {.tokens = tokens,
          .steer_from = static_cast<int>(tokens.size()) - kSteered,
          .additions = {{layer, layer, coefficient}},
          .wants_head = true};
}

/// The whole grid with forks, all questions in one pass.
void time_grid(Llama& model, std::span<const float> vectors, const std::vector<std::vector<std::int32_t>>& prompts,
               Measured& m) {
  const std::vector<std::int32_t> letters{319, 350};
  const double start = monotonic_seconds();
  Pass pass(model, vectors);
  for (const auto& tokens : prompts) {
    const int parent = pass.add({.tokens = tokens, .wants_head = true});
    m.grid_flops += plain_flops(static_cast<double>(tokens.size()));
    for (int layer = 0; layer < kShape.n_layers; ++layer)
      for (const float c : kCoefficients) {
        Sequence fork = cell(tokens, layer, c);
        fork.parent = parent;
        fork.first = fork.steer_from;
        fork.opens_after = layer;
        pass.add(std::move(fork));
        m.grid_flops += fork_flops(static_cast<double>(tokens.size()), layer);
      }
  }
  pass.run(letters);
  m.grid_s = monotonic_seconds() - start;
}

void time_naive(Llama& model, std::span<const float> vectors, const std::vector<std::vector<std::int32_t>>& prompts,
                int sample, Measured& m) {
  const std::vector<std::int32_t> letters{319, 350};
  const int per_question = kShape.n_layers * static_cast<int>(std::size(kCoefficients)) + 1;
  m.all_forwards = per_question * static_cast<int>(prompts.size());
  for (const auto& tokens : prompts) m.naive_flops += per_question * plain_flops(static_cast<double>(tokens.size()));
  const double start = monotonic_seconds();
  for (int i = 0; i < sample; ++i) {
    const auto& tokens = prompts[static_cast<std::size_t>(i) % prompts.size()];
    Pass pass(model, vectors);
    pass.add(
        cell(tokens, (i * 7) % kShape.n_layers, kCoefficients[static_cast<std::size_t>(i) % std::size(kCoefficients)]));
    pass.run(letters);
  }
  m.naive_s = monotonic_seconds() - start;
  m.naive_forwards = sample;
}

double peak_rss_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

nlohmann::json report(const Options& o, const Backend& backend, const Measured& m, double own_rate) {
  const double naive_all = m.naive_s / m.naive_forwards * m.all_forwards;
  const double rate = m.grid_flops / m.grid_s / 1e9;
  const double predicted = m.naive_flops / m.grid_flops;
  return {{"date", iso8601(wall_ns())},
          {"backend", backend.name()},
          {"architecture", backend.architecture()},
          {"gemm", backend.gemm_library()},
          {"dtype", o.dtype},
          {"threads", o.threads},
          {"questions", o.questions},
          {"grid_seconds", m.grid_s},
          {"naive_seconds_per_forward", m.naive_s / m.naive_forwards},
          {"naive_forwards_timed", m.naive_forwards},
          {"naive_forwards_in_grid", m.all_forwards},
          {"naive_seconds_sample_times_count", naive_all},
          {"ratio_measured", naive_all / m.grid_s},
          {"ratio_by_flops", predicted},
          {"ratio_share", naive_all / m.grid_s / predicted},
          {"pass_gflops", rate},
          {"onednn_gflops", own_rate},
          {"pass_share_of_onednn", rate / own_rate},
          {"peak_rss_mb", peak_rss_mb()}};
}

void run(const Options& o) {
  const DType dtype = dtype_from_name(o.dtype).value_or(DType::Float32);
  std::filesystem::create_directories(o.folder);
  write_model(o.folder, kShape, dtype, 1);
  const double own_rate = onednn_block_rate(kShape, dtype, 1024, 0.2);
  ::malloc_trim(0);
  const auto backend = make_cpu_backend(dtype, o.threads);
  SoloTeam team;
  Llama model(*backend, team, read_config(o.folder), CheckpointWeights(Checkpoint(o.folder)), Rounded{});
  const auto vectors = random_vectors();
  const auto prompts = random_prompts(o.questions);
  Measured warm_up, m;
  time_naive(model, vectors, prompts, 5, warm_up);
  time_grid(model, vectors, prompts, m);
  time_naive(model, vectors, prompts, o.sample, m);
  const nlohmann::json result = report(o, *backend, m, own_rate);
  for (const auto& [key, value] : result.items()) std::cout << fmt::format("{:34} {}\n", key, value.dump());
  if (!o.json.empty()) std::ofstream(o.json) << result.dump(1) << '\n';
}

}  // namespace
}  // namespace steergrid

int main(int argc, char** argv) {
  steergrid::Options o;
  CLI::App app{"Forks against the naive loop on a random 16-layer Llama"};
  app.add_option("--dtype", o.dtype)->capture_default_str()->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--questions", o.questions)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--sample", o.sample, "naive forwards to time")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--threads", o.threads)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--model", o.folder, "folder the random checkpoint is written to")->required();
  app.add_option("--json", o.json, "file to write the figures to");
  CLI11_PARSE(app, argc, argv);
  try {
    steergrid::run(o);
  } catch (const std::exception& e) {
    std::cerr << "forks_bench: " << e.what() << '\n';
    return 1;
  }
  return 0;
}
