#include "steer/evaluate.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "base/error.h"
#include "engine/pass.h"
#include "steer/items.h"

namespace steergrid {
namespace {

bool same_bits(const Head& a, const Head& b) {
  const auto bits = [](double x) { return std::bit_cast<std::uint64_t>(x); };
  return a.top_token == b.top_token && bits(a.top_log_probability) == bits(b.top_log_probability) &&
         std::ranges::equal(a.log_probability, b.log_probability, {}, bits, bits);
}

/// Fills an EvaluateResult question by question, running a pass whenever the rows in flight reach their limit.
class GridRunner {
 public:
  GridRunner(const LoadedModel& model, std::size_t questions, const CellGrid& grid, const AddedVectors* added,
             const PassOptions& options)
      : model_(model),
        grid_(grid),
        added_(added),
        options_(options),
        tokens_(letter_tokens(model.tokenizer, model.spec->format, grid.letters)) {
    const std::size_t cells = questions * grid.layers.size() * grid.coefficients.size();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    result_.letter_logprob.assign(cells * grid.letters.size(), nan);
    result_.top_token.assign(cells, -1);
    result_.top_logprob.assign(cells, nan);
    result_.baseline_logprob.assign(questions * grid.letters.size(), nan);
    result_.baseline_top_token.assign(questions, -1);
    result_.baseline_top_logprob.assign(questions, nan);
  }

  void question(std::size_t index, const QuestionTokens& q) {
    const bool check = index == 0;  // one control a unit: a fork that adds nothing
    std::optional<int> parent = begin(index, q, check);
    for (std::size_t l = 0; l < grid_.layers.size(); ++l) {
      for (std::size_t c = 0; c < grid_.coefficients.size(); ++c) {
        const std::size_t cell = (index * grid_.layers.size() + l) * grid_.coefficients.size() + c;
        if (grid_.coefficients[c] == 0 || added_ == nullptr) {
          if (grid_.coefficients[c] == 0) baseline_cells_.emplace_back(cell, index);
          continue;
        }
        Sequence fork = cell_sequence(q, *parent, l, grid_.coefficients[c]);
        if (full(Pass::rows_of(fork))) {
          run();
          if (!options_.naive) parent = begin(index, q, false);
          fork.parent = options_.naive ? -1 : *parent;
        }
        cells_.push_back({add(std::move(fork)), cell, index});
      }
    }
  }

  EvaluateResult finish() {
    run();
    const std::size_t letters = grid_.letters.size();
    for (const auto& [cell, q] : baseline_cells_) {
      std::copy_n(&result_.baseline_logprob[q * letters], letters, &result_.letter_logprob[cell * letters]);
      result_.top_token[cell] = result_.baseline_top_token[q];
      result_.top_logprob[cell] = result_.baseline_top_logprob[q];
    }
    if (steered_ > 0 && changed_ == 0)
      failed("self-check: {} steered cells all have the baseline's bits: nothing was steered", steered_);
    return std::move(result_);
  }

 private:
  struct Cell {
    int sequence;
    std::size_t cell, question;
  };

  bool full(std::int64_t more) const { return pass_ && (options_.naive || rows_ + more > options_.rows); }

  /// Adds the question's plain pass (and the control fork); starts a pass if there is none or it is full.
  int begin(std::size_t index, const QuestionTokens& q, bool check) {
    Sequence plain{.tokens = q.ids, .wants_head = true};
    if (full(Pass::rows_of(plain))) run();
    const int parent = add(std::move(plain));
    baselines_.emplace_back(parent, index);
    if (check && added_ != nullptr && finite(grid_.layers.size() / 2)) {
      Sequence control = cell_sequence(q, parent, grid_.layers.size() / 2, 0.0);
      control.parent = parent;
      control.first = q.steer_from;
      control.opens_after = grid_.layers[grid_.layers.size() / 2];
      controls_.emplace_back(add(std::move(control)), parent);
    }
    return parent;
  }

  /// Whether what is added at the grid's layer `l` is finite (0 times infinity would not be nothing).
  bool finite(std::size_t l) const {
    const auto hidden = static_cast<std::size_t>(model_.config.shape.hidden);
    const auto row = std::span(added_->vectors).subspan(l * hidden, hidden);
    return std::isfinite(added_->unit[l]) && std::ranges::all_of(row, [](float x) { return std::isfinite(x); });
  }

  Sequence cell_sequence(const QuestionTokens& q, int parent, std::size_t l, double coefficient) const {
    const int layer = grid_.layers[l];
    Sequence s{.tokens = q.ids, .steer_from = q.steer_from, .wants_head = true};
    s.additions = {{layer, static_cast<int>(l), static_cast<float>(coefficient * added_->unit[l])}};
    if (!options_.naive) {
      s.parent = parent;
      s.first = q.steer_from;
      s.opens_after = layer;
    }
    return s;
  }

  int add(Sequence s) {
    if (!pass_) {
      pass_ = std::make_unique<Pass>(*model_.llama,
                                     added_ ? std::span<const float>(added_->vectors) : std::span<const float>());
      rows_ = 0;
    }
    rows_ += Pass::rows_of(s);
    return pass_->add(std::move(s));
  }

  void run() {
    if (!pass_) return;
    pass_->run(tokens_);
    const std::size_t letters = grid_.letters.size();
    for (const auto& [sequence, q] : baselines_) {
      const Head& head = pass_->head(sequence);
      std::ranges::copy(head.log_probability, &result_.baseline_logprob[q * letters]);
      result_.baseline_top_token[q] = head.top_token;
      result_.baseline_top_logprob[q] = head.top_log_probability;
    }
    for (const auto& [control, parent] : controls_)
      if (!same_bits(pass_->head(control), pass_->head(parent)))
        failed(
            "self-check: a fork that adds nothing does not give the unsteered bits; rows of this backend's kernels "
            "depend on what they are computed with");
    for (const Cell& c : cells_) {
      const Head& head = pass_->head(c.sequence);
      std::ranges::copy(head.log_probability, &result_.letter_logprob[c.cell * letters]);
      result_.top_token[c.cell] = head.top_token;
      result_.top_logprob[c.cell] = head.top_log_probability;
      ++steered_;
      if (!std::equal(head.log_probability.begin(), head.log_probability.end(),
                      &result_.baseline_logprob[c.question * letters]))
        ++changed_;
    }
    pass_.reset();
    baselines_.clear();
    controls_.clear();
    cells_.clear();
  }

  const LoadedModel& model_;
  const CellGrid& grid_;
  const AddedVectors* added_;
  const PassOptions& options_;
  std::vector<std::int32_t> tokens_;
  EvaluateResult result_;
  std::unique_ptr<Pass> pass_;
  std::int64_t rows_ = 0;
  std::vector<std::pair<int, std::size_t>> baselines_;               // sequence, question
  std::vector<std::pair<int, int>> controls_;                        // sequence, its parent
  std::vector<Cell> cells_;                                          // of the pass being filled
  std::vector<std::pair<std::size_t, std::size_t>> baseline_cells_;  // cell with coefficient 0, question
  std::int64_t steered_ = 0, changed_ = 0;
};

}  // namespace

EvaluateResult evaluate(const LoadedModel& model, std::span<const AbItem> items, const CellGrid& grid,
                        const AddedVectors* added, const PassOptions& options) {
  GridRunner runner(model, items.size(), grid, added, options);
  for (std::size_t i = 0; i < items.size(); ++i)
    runner.question(i, tokenize_question(model.tokenizer, model.spec->format, grid.positions, items[i]));
  return runner.finish();
}

}  // namespace steergrid
