#include "app/bench.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "app/inspect_model.h"
#include "app/memory_options.h"
#include "app/prepare.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/model_path.h"
#include "comm/team.h"
#include "engine/chat_format.h"
#include "engine/model_source.h"
#include "engine/pass.h"
#include "plan/fit.h"
#include "steer/evaluate.h"
#include "steer/extract.h"

namespace steergrid {
namespace {

constexpr std::array<double, 8> kCoefficients = {-4, -2, -1, -0.5, 0.5, 1, 2, 4};

/// A question of at least `tokens` tokens with its prompt around it; another for every `index`.
std::string made_up_question(const Tokenizer& tokenizer, PromptFormat format, int tokens, int index) {
  constexpr std::array<std::string_view, 7> kWords = {"one", "or", "the", "other", "is", "what", "was"};
  std::string text = fmt::format("Question {}:", index);
  for (int i = index; static_cast<int>(make_prompt(tokenizer, format, "", text, "(").ids.size()) < tokens; ++i)
    text.append(" ").append(kWords[static_cast<std::size_t>(i) % kWords.size()]);
  return text;
}

DataSet made_up_set(const Tokenizer& tokenizer, PromptFormat format, int items, int tokens, int first) {
  DataSet set;
  set.path = "made-up prompts";
  set.identity = fmt::format("bench {} {} {}", items, tokens, first);
  for (int i = 0; i < items; ++i) {
    const bool flip = i % 2 == 1;
    set.items.push_back({.question = made_up_question(tokenizer, format, tokens, first + i),
                         .matching_text = flip ? "(B)" : "(A)",
                         .other_text = flip ? "(A)" : "(B)",
                         .matching = flip ? 'B' : 'A',
                         .other = flip ? 'A' : 'B'});
  }
  return set;
}

Prepared prepared_for(const BenchOptions& o, const ModelSource& source) {
  Prepared p;
  p.spec.name = "bench";
  ModelSpec model;
  model.name = "model";
  model.path = o.model;
  model.dtype = o.dtype.value_or(source.dtype());
  const Tokenizer tokenizer = source.tokenizer();
  VectorSource vectors{"bench", made_up_set(tokenizer, model.format, o.pairs, o.tokens, 0), {}};
  RunSpec run;
  run.name = "bench";
  run.questions = made_up_set(tokenizer, model.format, o.questions, o.tokens, o.pairs);
  p.spec.models.push_back(model);
  p.spec.vectors.push_back(std::move(vectors));
  p.spec.runs.push_back(std::move(run));
  p.spec.coefficients.values.assign(kCoefficients.begin(), kCoefficients.end());
  p.spec.method.normalize = Method::Normalize::None;
  p.spec.units = {o.pairs, o.questions};  // a unit each: all of it in as few passes as `rows` allows
  p.facts.push_back({source.shape(), *model.dtype, 1, source.identity(false)});
  p.plan = make_plan(p.spec, p.facts);
  return p;
}

double seconds_since(double start) { return monotonic_seconds() - start; }

/// Lets the kernel forget what it holds of a checkpoint's files.
void leave_page_cache(const std::string& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    ::fdatasync(file);  // what is not on the disk yet would stay
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    ::close(file);
  }
}

/// As a worker plans its memory; of a stream, too, no more rows than asked for.
Fit planned(const Prepared& p, const TokenCounts& tokens, const BenchOptions& o, bool on_gpu) {
  const ModelPlan& model = p.plan.models.front();
  MemoryOptions options = memory_options(on_gpu, std::min(o.rows, most_rows(p.plan, model, tokens)));
  Fit fit = fit_of(model.facts, options, o.streamed ? WeightsIn::Stream : WeightsIn::Memory, 1, o.memory);
  options.streamed = o.streamed;
  options.chunk_rows = fit.chunk_rows;
  options.rows = fit.rows = std::min(fit.rows, options.rows);
  fit.memory = memory_of(model.facts, options);
  return fit;
}

LayerTraffic since(const LayerTraffic& before, const LayerTraffic& now) {
  return {now.layers_loaded - before.layers_loaded, now.bytes_read - before.bytes_read,
          now.seconds_waited - before.seconds_waited};
}

/// Runs `phase` `repeats` times after `first_try`, which may be nothing.
void time_phase(const BenchOptions& o, const LoadedModel& model, const std::function<void()>& first_try,
                const std::function<void()>& phase, BenchPhase& to) {
  if (first_try) first_try();
  for (int i = 0; i < o.repeats; ++i) {
    if (o.cold) leave_page_cache(o.model);
    const LayerTraffic before = model.llama->traffic();
    const double start = monotonic_seconds();
    phase();
    const double seconds = seconds_since(start);
    to.runs.push_back({seconds, since(before, model.llama->traffic())});
  }
  std::ranges::sort(to.runs, {}, &BenchPhase::Run::seconds);
}

/// Extraction, then the grid under the vectors that it gave. Before the clock a few items go through the model: once,
/// where it must be read for it.
void time_phases(const BenchOptions& o, const Prepared& p, const LoadedModel& model, const PassOptions& options,
                 BenchResult& r) {
  const ModelPlan& plan = p.plan.models.front();
  const RunPlan& run = plan.runs.front();
  const std::span<const AbItem> pairs = p.spec.vectors.front().pairs.items;
  const std::span<const AbItem> questions = p.spec.runs.front().questions.items;
  const auto hidden = static_cast<std::size_t>(plan.facts.shape.hidden);
  ExtractResult sums;
  time_phase(
      o, model, [&] { extract(model, pairs.first(1), false, options); },
      [&] { sums = extract(model, pairs, false, options); }, r.extract);

  DifferenceSums all(static_cast<std::size_t>(plan.facts.shape.n_layers), hidden);
  all.add(sums.sums, sums.norm_sums);
  SteeringVectors vectors = mean_vectors(all, static_cast<std::int64_t>(pairs.size()));
  vectors.scale.assign(vectors.mean_norm.size(), 1.0);
  const AddedVectors added = added_vectors(vectors, hidden, run.layers, false);
  const CellGrid grid{run.layers, run.coefficients.values, run.letters, Positions::InstructionEnd};
  std::function<void()> first_try;
  if (!o.streamed) first_try = [&] { evaluate(model, questions.first(1), grid, &added, options); };
  time_phase(
      o, model, first_try, [&] { evaluate(model, questions, grid, &added, options); }, r.grid);
}

}  // namespace

BenchResult bench(const BenchOptions& options, const std::function<std::unique_ptr<Backend>(DType)>& make_backend) {
  const ModelSource source(options.model);
  const Prepared p = prepared_for(options, source);
  SpecProblems problems;
  const TokenCounts tokens = count_tokens(p.spec, p.spec.models.front(), source, problems);
  problems.throw_if_any();
  const ModelPlan& plan = p.plan.models.front();
  const ModelCost cost = cost_of(p.plan, plan, tokens);

  BenchResult r;
  r.model = options.model;
  r.identity = plan.facts.identity;
  r.synthetic = is_synthetic(options.model);
  r.dtype = plan.facts.dtype;
  r.layers = plan.facts.shape.n_layers;
  r.coefficients = static_cast<int>(kCoefficients.size());
  r.cells = cost.cells;
  r.prompt_tokens = static_cast<double>(tokens.runs.front().tokens) / options.questions;
  r.extract.flops = cost.vectors.front().flops;
  r.grid.flops = cost.runs.front().flops;
  r.naive_flops = cost.runs.front().naive_flops;

  SoloTeam team;
  std::unique_ptr<Backend> backend = make_backend(r.dtype);
  r.backend = backend->name();
  r.architecture = backend->architecture();
  r.gemm = backend->gemm_library();
  r.weight_bytes =
      static_cast<double>(plan.facts.shape.parameters()) * static_cast<double>(size_of(backend->weight_dtype()));
  const Fit fit = planned(p, tokens, options, r.backend == "cuda");
  r.planned_bytes = static_cast<double>(fit.memory.total() - (r.backend == "cuda" ? fit.memory.base : 0));
  const double start = monotonic_seconds();
  const LoadedModel model = load_model(p.spec.models.front(), plan.facts, std::move(backend), team,
                                       options.streamed ? Residence::Streamed : Residence::Resident);
  const Matrix norm = model.llama->final_norm().view();
  std::vector<std::byte> waited(norm.bytes());
  model.backend->download(norm, waited);  // waits for what was queued
  r.load_seconds = seconds_since(start);
  time_phases(options, p, model, {fit.rows, false, fit.chunk_rows}, r);
  r.peak_bytes = static_cast<double>(model.backend->peak_bytes());
  return r;
}

}  // namespace steergrid
