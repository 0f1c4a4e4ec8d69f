// The cost formulas; see cost.h.
#include "plan/cost.h"

#include <algorithm>

#include "base/error.h"

namespace steergrid {

namespace {

/// FLOPs of the matrix products of `rows` rows and of attention over `squares` (sum of T^2), in one layer.
double layer_flops(const ModelShape& s, double rows, double squares) {
  const double width = static_cast<double>(s.n_heads) * s.head_size;
  return 2 * static_cast<double>(s.layer_matrix_parameters()) * rows + 2 * width * squares;
}

double head_flops(const ModelShape& s, double positions) { return 2.0 * s.hidden * s.vocabulary * positions; }

WorkCost extract_work(const ModelShape& s, const PairTokenCounts& t) {
  WorkCost work;
  work.naive_tokens = t.full;
  work.tokens = t.rows;
  work.naive_flops = s.n_layers * layer_flops(s, static_cast<double>(t.full), static_cast<double>(t.full_squared));
  work.flops = s.n_layers * layer_flops(s, static_cast<double>(t.rows), static_cast<double>(t.row_squares));
  return work;
}

WorkCost evaluate_work(const ModelShape& s, const RunPlan& run, const QuestionTokenCounts& t) {
  const auto& values = run.coefficients.values;
  const auto zeros = std::count(values.begin(), values.end(), 0.0);
  const auto steering = static_cast<std::int64_t>(values.size()) - zeros;
  const auto layers = static_cast<std::int64_t>(run.layers.size());
  // The naive loop runs every listed cell, 0 included, and the baseline once if 0 is not listed.
  const std::int64_t forwards = layers * static_cast<std::int64_t>(values.size()) + (zeros == 0 ? 1 : 0);
  std::int64_t blocks_after = 0;  // summed over the layers
  for (const int l : run.layers) blocks_after += s.n_layers - 1 - l;

  WorkCost work;
  work.naive_tokens = forwards * t.tokens;
  work.tokens = t.tokens;
  work.fork_rows = steering * layers * t.steered;
  const double plain = s.n_layers * layer_flops(s, static_cast<double>(t.tokens), static_cast<double>(t.squared));
  const double fork_layer = layer_flops(s, static_cast<double>(t.steered), static_cast<double>(t.steered_squares));
  const auto questions = static_cast<double>(t.questions);
  work.naive_flops = static_cast<double>(forwards) * (plain + head_flops(s, questions));
  work.flops = plain + static_cast<double>(steering * blocks_after) * fork_layer +
               head_flops(s, questions * static_cast<double>(1 + steering * layers));
  return work;
}

/// Rows that a unit of a run opens at most: its questions and all their forks.
std::int64_t evaluate_rows(const RunPlan& run, const QuestionTokenCounts& t, std::int64_t questions) {
  const auto& values = run.coefficients.values;
  const auto steering = static_cast<std::int64_t>(values.size()) - std::count(values.begin(), values.end(), 0.0);
  const std::int64_t forks = steering * static_cast<std::int64_t>(run.layers.size()) + 1;  // and the control
  return questions * (t.longest + forks * t.most_steered);
}

}  // namespace

void PairTokenCounts::add(std::int64_t shared, std::int64_t matching, std::int64_t other) {
  const std::int64_t a = shared + matching, b = shared + other;
  pairs += 1;
  full += a + b;
  rows += shared + matching + other;
  full_squared += a * a + b * b;
  row_squares += a * a + b * b - shared * shared;
  longest = std::max({longest, a, b});
}

void QuestionTokenCounts::add(std::int64_t n, std::int64_t n_steered) {
  questions += 1;
  tokens += n;
  squared += n * n;
  steered += n_steered;
  steered_squares += n * n - (n - n_steered) * (n - n_steered);
  longest = std::max(longest, n);
  most_steered = std::max(most_steered, n_steered);
}

WorkCost& WorkCost::operator+=(const WorkCost& other) {
  naive_flops += other.naive_flops;
  flops += other.flops;
  naive_tokens += other.naive_tokens;
  tokens += other.tokens;
  fork_rows += other.fork_rows;
  return *this;
}

ModelCost cost_of(const Plan& plan, const ModelPlan& model, const TokenCounts& tokens) {
  if (tokens.vectors.size() != model.vectors.size() || tokens.runs.size() != model.runs.size())
    failed("token counts: expected {} sources and {} runs, found {} and {}", model.vectors.size(), model.runs.size(),
           tokens.vectors.size(), tokens.runs.size());
  ModelCost cost;
  for (const PairTokenCounts& t : tokens.vectors)
    cost.total += cost.vectors.emplace_back(extract_work(model.facts.shape, t));
  for (std::size_t r = 0; r < model.runs.size(); ++r) {
    const RunPlan& run = model.runs[r];
    cost.total += cost.runs.emplace_back(evaluate_work(model.facts.shape, run, tokens.runs[r]));
    cost.cells += static_cast<std::int64_t>(run.layers.size() * run.coefficients.values.size());
  }
  cost.units =
      std::count_if(plan.units.begin(), plan.units.end(), [&](const Unit& u) { return u.model == model.model; });
  return cost;
}

namespace {

/// The largest part of a file that is read at once, in the dtype of computing (a checkpoint's may be another): rows of
/// a weight are sliced before, columns after reading.
std::int64_t read_buffer(const ModelFacts& facts, bool streamed) {
  const ModelShape& s = facts.shape;
  const std::int64_t ranks = facts.tensor_parallel, d = s.hidden;
  const std::int64_t query = std::int64_t{s.n_heads} * s.head_size;
  const std::int64_t layer = std::max({d * s.feed_forward, query * d});  // down and o, whole
  const std::int64_t vocabulary = (s.vocabulary + ranks - 1) / ranks * d;
  return (streamed ? layer : std::max(layer, vocabulary)) * static_cast<std::int64_t>(size_of(facts.dtype));
}

}  // namespace

MemoryModel memory_of(const ModelFacts& facts, const MemoryOptions& options) {
  const ModelShape& s = facts.shape;
  const std::int64_t ranks = facts.tensor_parallel;
  const bool widened = (facts.dtype == DType::Float16 && options.widens_float16) ||
                       (facts.dtype == DType::BFloat16 && options.widens_bfloat16);
  const auto bytes = static_cast<std::int64_t>(widened ? 4 : size_of(facts.dtype));
  const std::int64_t vocabulary_r = (s.vocabulary + ranks - 1) / ranks;
  const std::int64_t embeddings = vocabulary_r * s.hidden * (s.tied_embeddings ? 1 : 2);
  const std::int64_t norms = std::int64_t{2 * s.n_layers + 1} * s.hidden;
  const std::int64_t heads_r = s.n_heads / ranks, kv_heads_r = s.n_kv_heads / ranks;
  const std::int64_t partials = ranks > 1 ? ranks * s.hidden : 0;

  const std::int64_t layers = options.streamed ? std::min(2, s.n_layers) : s.n_layers;
  const std::int64_t act = options.wide_activations ? 4 : static_cast<std::int64_t>(size_of(facts.dtype));

  MemoryModel m;
  m.weights = (layers * s.layer_matrix_parameters() / ranks + embeddings) * bytes + norms * 4;
  m.residual = options.rows * s.hidden * 4;
  m.keys_values = options.rows * 2 * kv_heads_r * s.head_size * act;
  m.chunk_buffers = options.chunk_rows * (act * (s.hidden + 2 * heads_r * s.head_size + 2 * (s.feed_forward / ranks)) +
                                          4 * (s.hidden + partials)) +
                    4 * std::min(options.logits, options.chunk_rows * vocabulary_r);
  m.host_buffers = 2 * read_buffer(facts, options.streamed);
  if (options.reads_into_same_memory)
    m.reading = options.streamed ? m.host_buffers : std::max<std::int64_t>(0, m.host_buffers - m.in_flight());
  m.base = options.base_bytes;
  return m;
}

std::int64_t most_rows(const Plan& plan, const ModelPlan& model, const TokenCounts& tokens) {
  std::int64_t most = 0;
  for (const Unit& u : plan.units) {
    if (u.model != model.model) continue;
    const auto target = static_cast<std::size_t>(u.target);
    if (u.kind == UnitKind::Extract) {
      const PairTokenCounts& t = tokens.vectors[target];
      most = std::max(most, std::min(std::int64_t{2} * u.count * t.longest, t.rows));
    } else if (u.kind == UnitKind::Evaluate) {
      most = std::max(most, evaluate_rows(model.runs[target], tokens.runs[target], u.count));
    }
  }
  return most;
}

}  // namespace steergrid
