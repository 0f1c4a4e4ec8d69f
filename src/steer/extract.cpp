#include "steer/extract.h"

#include <memory>
#include <utility>

#include "steer/items.h"

namespace steergrid {
namespace {

/// The pairs of one pass, unit by unit, and where its taps add up.
class PairPass {
 public:
  PairPass(const LoadedModel& model, std::int64_t chunk_rows)
      : model_(*model.llama), pass_(*model.llama, {}, chunk_rows) {}

  std::int64_t rows() const { return rows_; }

  /// Pairs of one unit come one after another.
  void add(PairTokens pair, bool naive, bool keep_activations, ExtractResult& result) {
    if (parts_.empty() || parts_.back().result != &result) parts_.push_back({&result, keep_activations, {}, {}, 0});
    Part& part = parts_.back();
    int parent = -1;
    if (!naive) {
      std::vector<std::int32_t> prompt(pair.matching.begin(), pair.matching.begin() + pair.shared);
      parent = add({.tokens = std::move(prompt)});
    }
    const int first = naive ? 0 : pair.shared;
    part.matching.push_back(
        add({.tokens = std::move(pair.matching), .parent = parent, .first = first, .steer_from = first}));
    part.other.push_back(add({.tokens = std::move(pair.other), .parent = parent, .first = first, .steer_from = first}));
  }

  void run() {
    if (parts_.empty()) return;
    pass_.run({}, [this](int layer, Matrix x) {
      for (Part& part : parts_) tap(layer, x, part);
    });
  }

 private:
  /// What a unit has in this pass.
  struct Part {
    ExtractResult* result;
    bool keep;
    std::vector<int> matching, other;  // sequences
    std::size_t kept_before;           // activations of the unit's earlier passes
  };

  int add(Sequence s) {
    rows_ += Pass::rows_of(s);
    last_.push_back(static_cast<int>(s.tokens.size()) - 1);
    return pass_.add(std::move(s));
  }
  std::vector<std::int64_t> last_rows(const std::vector<int>& sequences) const {
    std::vector<std::int64_t> rows;
    for (const int s : sequences) rows.push_back(pass_.row_of(s, last_[static_cast<std::size_t>(s)]));
    return rows;
  }

  void tap(int layer, Matrix x, Part& part) {
    const std::vector<std::int64_t> matching = last_rows(part.matching), other = last_rows(part.other);
    const auto d = static_cast<std::size_t>(x.cols), l = static_cast<std::size_t>(layer);
    const std::span sums = std::span(part.result->sums).subspan(l * d, d);
    model_.backend().difference_sums(x, matching, other, sums, part.result->norm_sums[l]);
    if (part.keep) keep(layer, x, matching, other, part);
  }

  /// Appends [pair, member, layer] rows: a pass's pairs follow those of the passes before it.
  void keep(int layer, Matrix x, std::span<const std::int64_t> matching, std::span<const std::int64_t> other,
            Part& part) {
    const auto d = static_cast<std::size_t>(x.cols);
    const auto n_layers = static_cast<std::size_t>(model_.shape().n_layers);
    std::vector<float>& activations = part.result->activations;
    if (layer == 0) {
      part.kept_before = activations.size();
      activations.resize(part.kept_before + matching.size() * 2 * n_layers * d);
    }
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < matching.size(); ++i) rows.insert(rows.end(), {matching[i], other[i]});
    const Tensor gathered = model_.backend().allocate(static_cast<std::int64_t>(rows.size()), x.cols, x.dtype);
    std::vector<float> host(rows.size() * d);
    model_.backend().gather_rows(x, rows, gathered.view());
    model_.backend().download(gathered.view(), std::as_writable_bytes(std::span(host)));
    for (std::size_t r = 0; r < rows.size(); ++r)
      std::copy_n(host.begin() + static_cast<std::ptrdiff_t>(r * d), d,
                  activations.begin() + static_cast<std::ptrdiff_t>(
                                            part.kept_before + (r * n_layers + static_cast<std::size_t>(layer)) * d));
  }

  const Llama& model_;
  Pass pass_;
  std::vector<Part> parts_;
  std::vector<int> last_;  // last position of each sequence
  std::int64_t rows_ = 0;
};

}  // namespace

std::vector<ExtractResult> extract(const LoadedModel& model, std::span<const ExtractTask> tasks,
                                   const PassOptions& options) {
  const auto n_layers = static_cast<std::size_t>(model.config.shape.n_layers);
  std::vector<ExtractResult> results(tasks.size());
  auto pass = std::make_unique<PairPass>(model, options.chunk_rows);
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    results[t].sums.assign(n_layers * static_cast<std::size_t>(model.config.shape.hidden), 0.0);
    results[t].norm_sums.assign(n_layers, 0.0);
    for (PairTokens& pair : tokenize_pairs(model.tokenizer, model.spec->format, tasks[t].items)) {
      const std::size_t shared = options.naive ? 0 : static_cast<std::size_t>(pair.shared);
      const auto rows = static_cast<std::int64_t>(pair.matching.size() + pair.other.size() - shared);
      if (pass->rows() > 0 && (options.naive || pass->rows() + rows > options.rows)) {
        pass->run();
        pass = std::make_unique<PairPass>(model, options.chunk_rows);
      }
      pass->add(std::move(pair), options.naive, tasks[t].keep_activations, results[t]);
    }
  }
  pass->run();
  return results;
}

std::int64_t rows_of(const LoadedModel& model, const ExtractTask& task) {
  std::size_t rows = 0;
  for (const PairTokens& pair : tokenize_pairs(model.tokenizer, model.spec->format, task.items)) {
    rows += pair.matching.size() + pair.other.size() - static_cast<std::size_t>(pair.shared);
  }
  return static_cast<std::int64_t>(rows);
}

ExtractResult extract(const LoadedModel& model, std::span<const AbItem> items, bool keep_activations,
                      const PassOptions& options) {
  const ExtractTask only{items, keep_activations};
  return std::move(extract(model, std::span(&only, 1), options).front());
}

}  // namespace steergrid
