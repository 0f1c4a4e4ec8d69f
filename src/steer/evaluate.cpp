#include "steer/evaluate.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

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

class GridRunner;

/// The pass being filled, for all units that share it. It runs whenever the rows in flight reach their limit.
class SharedPass {
 public:
  SharedPass(const LoadedModel& model, std::span<const EvaluateTask> tasks, const PassOptions& options)
      : model_(model), options_(options) {
    std::set<std::int32_t> tokens;
    for (const EvaluateTask& task : tasks) {
      tokens.merge(tokens_of(task));
      if (task.added == nullptr || first_vector_.contains(task.added)) continue;
      first_vector_[task.added] = static_cast<int>(vectors_.size()) / model.config.shape.hidden;
      vectors_.insert(vectors_.end(), task.added->vectors.begin(), task.added->vectors.end());
    }
    selected_.assign(tokens.begin(), tokens.end());
  }

  std::set<std::int32_t> tokens_of(const EvaluateTask& task) const {
    const auto tokens = letter_tokens(model_.tokenizer, model_.spec->format, task.grid.letters);
    return {tokens.begin(), tokens.end()};
  }
  /// Where a task's letters are among what heads report.
  std::vector<std::size_t> places_of(const EvaluateTask& task) const {
    std::vector<std::size_t> places;
    for (const std::int32_t t : letter_tokens(model_.tokenizer, model_.spec->format, task.grid.letters))
      places.push_back(static_cast<std::size_t>(std::ranges::lower_bound(selected_, t) - selected_.begin()));
    return places;
  }
  int first_vector(const AddedVectors* of) const { return of == nullptr ? 0 : first_vector_.at(of); }

  bool full(std::int64_t more) const { return pass_ && (options_.naive || rows_ + more > options_.rows); }
  bool naive() const { return options_.naive; }

  int add(Sequence s, GridRunner& of) {
    if (!pass_) {
      pass_ = std::make_unique<Pass>(*model_.llama, vectors_, options_.chunk_rows);
      rows_ = 0;
    }
    if (waiting_.empty() || waiting_.back() != &of) waiting_.push_back(&of);
    rows_ += Pass::rows_of(s);
    return pass_->add(std::move(s));
  }

  /// Runs what was added and gives every unit its share.
  void run();

 private:
  const LoadedModel& model_;
  const PassOptions& options_;
  std::vector<float> vectors_;  // of all tasks, [n, D]
  std::map<const AddedVectors*, int> first_vector_;
  std::vector<std::int32_t> selected_;
  std::unique_ptr<Pass> pass_;
  std::int64_t rows_ = 0;
  std::vector<GridRunner*> waiting_;  // who has sequences in the pass
};

/// Fills the EvaluateResult of one unit, question by question.
class GridRunner {
 public:
  GridRunner(const LoadedModel& model, const EvaluateTask& task, SharedPass& pass)
      : model_(model),
        grid_(task.grid),
        added_(task.added),
        pass_(pass),
        places_(pass.places_of(task)),
        first_vector_(pass.first_vector(task.added)) {
    const std::size_t questions = task.items.size();
    const std::size_t cells = questions * grid_.layers.size() * grid_.coefficients.size();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    result_.letter_logprob.assign(cells * grid_.letters.size(), nan);
    result_.top_token.assign(cells, -1);
    result_.top_logprob.assign(cells, nan);
    result_.baseline_logprob.assign(questions * grid_.letters.size(), nan);
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
        if (pass_.full(Pass::rows_of(fork))) {
          pass_.run();
          if (!pass_.naive()) parent = begin(index, q, false);
          fork.parent = pass_.naive() ? -1 : *parent;
        }
        cells_.push_back({pass_.add(std::move(fork), *this), cell, index});
      }
    }
  }

  /// Takes what a pass that just ran holds of this unit.
  void collect(const Pass& pass) {
    for (const auto& [sequence, q] : baselines_) {
      const Head& head = pass.head(sequence);
      copy_letters(head, &result_.baseline_logprob[q * places_.size()]);
      result_.baseline_top_token[q] = head.top_token;
      result_.baseline_top_logprob[q] = head.top_log_probability;
    }
    for (const auto& [control, parent] : controls_)
      if (!same_bits(pass.head(control), pass.head(parent)))
        failed(
            "self-check: a fork that adds nothing does not give the unsteered bits; rows of this backend's kernels "
            "depend on what they are computed with");
    for (const Cell& c : cells_) {
      const Head& head = pass.head(c.sequence);
      double* letters = &result_.letter_logprob[c.cell * places_.size()];
      copy_letters(head, letters);
      result_.top_token[c.cell] = head.top_token;
      result_.top_logprob[c.cell] = head.top_log_probability;
      ++steered_;
      if (!std::equal(letters, letters + places_.size(), &result_.baseline_logprob[c.question * places_.size()]))
        ++changed_;
    }
    baselines_.clear();
    controls_.clear();
    cells_.clear();
  }

  /// After the last pass with a part of this unit.
  EvaluateResult finish() {
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

  void copy_letters(const Head& head, double* to) const {
    for (const std::size_t place : places_) *to++ = head.log_probability[place];
  }

  /// Adds the question's plain pass (and the control fork); starts a pass if there is none or it is full.
  int begin(std::size_t index, const QuestionTokens& q, bool check) {
    Sequence plain{.tokens = q.ids, .wants_head = true};
    if (pass_.full(Pass::rows_of(plain))) pass_.run();
    const int parent = pass_.add(std::move(plain), *this);
    baselines_.emplace_back(parent, index);
    if (check && added_ != nullptr && finite(grid_.layers.size() / 2)) {
      Sequence control = cell_sequence(q, parent, grid_.layers.size() / 2, 0.0);
      control.parent = parent;
      control.first = q.steer_from;
      control.opens_after = grid_.layers[grid_.layers.size() / 2];
      controls_.emplace_back(pass_.add(std::move(control), *this), parent);
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
    s.additions = {{layer, first_vector_ + static_cast<int>(l), static_cast<float>(coefficient * added_->unit[l])}};
    if (!pass_.naive()) {
      s.parent = parent;
      s.first = q.steer_from;
      s.opens_after = layer;
    }
    return s;
  }

  const LoadedModel& model_;
  const CellGrid& grid_;
  const AddedVectors* added_;
  SharedPass& pass_;
  std::vector<std::size_t> places_;  // of this unit's letters among what heads report
  int first_vector_;                 // of this unit's among the pass's
  EvaluateResult result_;
  std::vector<std::pair<int, std::size_t>> baselines_;               // sequence, question
  std::vector<std::pair<int, int>> controls_;                        // sequence, its parent
  std::vector<Cell> cells_;                                          // of the pass being filled
  std::vector<std::pair<std::size_t, std::size_t>> baseline_cells_;  // cell with coefficient 0, question
  std::int64_t steered_ = 0, changed_ = 0;
};

void SharedPass::run() {
  if (!pass_) return;
  pass_->run(selected_);
  for (GridRunner* runner : std::exchange(waiting_, {})) runner->collect(*pass_);
  pass_.reset();
}

}  // namespace

std::vector<EvaluateResult> evaluate(const LoadedModel& model, std::span<const EvaluateTask> tasks,
                                     const PassOptions& options) {
  SharedPass pass(model, tasks, options);
  std::deque<GridRunner> runners;  // they stay where they are
  for (const EvaluateTask& task : tasks) {
    GridRunner& runner = runners.emplace_back(model, task, pass);
    for (std::size_t i = 0; i < task.items.size(); ++i)
      runner.question(i, tokenize_question(model.tokenizer, model.spec->format, task.grid.positions, task.items[i]));
  }
  pass.run();
  std::vector<EvaluateResult> results;
  for (GridRunner& runner : runners) results.push_back(runner.finish());
  return results;
}

std::int64_t rows_of(const LoadedModel& model, const EvaluateTask& task) {
  const auto& values = task.grid.coefficients;
  const auto steering = static_cast<std::int64_t>(values.size()) - std::ranges::count(values, 0.0);
  const std::int64_t forks = steering * static_cast<std::int64_t>(task.grid.layers.size());
  std::int64_t rows = 0;
  for (const AbItem& item : task.items) {
    const QuestionTokens q = tokenize_question(model.tokenizer, model.spec->format, task.grid.positions, item);
    const auto tokens = static_cast<std::int64_t>(q.ids.size());
    rows += tokens + (forks + 1) * (tokens - q.steer_from);  // one more: the control
  }
  return rows;
}

EvaluateResult evaluate(const LoadedModel& model, std::span<const AbItem> items, const CellGrid& grid,
                        const AddedVectors* added, const PassOptions& options) {
  const EvaluateTask only{items, grid, added};
  return std::move(evaluate(model, std::span(&only, 1), options).front());
}

}  // namespace steergrid
