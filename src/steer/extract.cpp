#include "steer/extract.h"

#include "engine/pass.h"
#include "steer/items.h"

namespace steergrid {
namespace {

/// The pairs of one pass, and where its taps add up.
class PairPass {
 public:
  PairPass(const LoadedModel& model, bool keep_activations, ExtractResult& result)
      : model_(*model.llama), keep_(keep_activations), result_(result), pass_(*model.llama, {}) {}

  std::int64_t rows() const { return rows_; }

  void add(PairTokens pair, bool naive) {
    int parent = -1;
    if (!naive) {
      std::vector<std::int32_t> prompt(pair.matching.begin(), pair.matching.begin() + pair.shared);
      parent = add({.tokens = std::move(prompt)});
    }
    const int first = naive ? 0 : pair.shared;
    matching_.push_back(
        add({.tokens = std::move(pair.matching), .parent = parent, .first = first, .steer_from = first}));
    other_.push_back(add({.tokens = std::move(pair.other), .parent = parent, .first = first, .steer_from = first}));
  }

  void run() {
    if (matching_.empty()) return;
    pass_.run({}, [this](int layer, Matrix x) { tap(layer, x); });
  }

 private:
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

  void tap(int layer, Matrix x) {
    const std::vector<std::int64_t> matching = last_rows(matching_), other = last_rows(other_);
    const auto d = static_cast<std::size_t>(x.cols), l = static_cast<std::size_t>(layer);
    const std::span sums = std::span(result_.sums).subspan(l * d, d);
    model_.backend().difference_sums(x, matching, other, sums, result_.norm_sums[l]);
    if (keep_) keep(layer, x, matching, other);
  }

  /// Appends [pair, member, layer] rows: a pass's pairs follow those of the passes before it.
  void keep(int layer, Matrix x, std::span<const std::int64_t> matching, std::span<const std::int64_t> other) {
    const auto d = static_cast<std::size_t>(x.cols);
    const auto n_layers = static_cast<std::size_t>(model_.shape().n_layers);
    if (layer == 0) {
      kept_before_ = result_.activations.size();
      result_.activations.resize(kept_before_ + matching.size() * 2 * n_layers * d);
    }
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < matching.size(); ++i) rows.insert(rows.end(), {matching[i], other[i]});
    const Tensor gathered = model_.backend().allocate(static_cast<std::int64_t>(rows.size()), x.cols, x.dtype);
    std::vector<float> host(rows.size() * d);
    model_.backend().gather_rows(x, rows, gathered.view());
    model_.backend().download(gathered.view(), std::as_writable_bytes(std::span(host)));
    for (std::size_t r = 0; r < rows.size(); ++r)
      std::copy_n(host.begin() + static_cast<std::ptrdiff_t>(r * d), d,
                  result_.activations.begin() +
                      static_cast<std::ptrdiff_t>(kept_before_ + (r * n_layers + static_cast<std::size_t>(layer)) * d));
  }

  const Llama& model_;
  bool keep_;
  ExtractResult& result_;
  Pass pass_;
  std::vector<int> matching_, other_, last_;
  std::size_t kept_before_ = 0;
  std::int64_t rows_ = 0;
};

}  // namespace

ExtractResult extract(const LoadedModel& model, std::span<const AbItem> items, bool keep_activations,
                      const PassOptions& options) {
  const auto n_layers = static_cast<std::size_t>(model.config.shape.n_layers);
  ExtractResult result;
  result.sums.assign(n_layers * static_cast<std::size_t>(model.config.shape.hidden), 0.0);
  result.norm_sums.assign(n_layers, 0.0);
  auto pass = std::make_unique<PairPass>(model, keep_activations, result);
  for (const AbItem& item : items) {
    PairTokens pair = tokenize_pair(model.tokenizer, model.spec->format, item);
    const auto rows = static_cast<std::int64_t>(pair.matching.size() + pair.other.size());
    if (pass->rows() > 0 && (options.naive || pass->rows() + rows > options.rows)) {
      pass->run();
      pass = std::make_unique<PairPass>(model, keep_activations, result);
    }
    pass->add(std::move(pair), options.naive);
  }
  pass->run();
  return result;
}

}  // namespace steergrid
