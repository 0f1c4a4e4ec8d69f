#include "app/inspect_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "plan/plan.h"
#include "spec/check_models.h"
#include "steer/items.h"

namespace steergrid {
namespace {

constexpr int kMostProblems = 3;  // of one data set with one model

/// Counts the sources and runs of one model.
class TokenCounter {
 public:
  TokenCounter(const ModelSpec& model, const ModelSource& source, SpecProblems& problems)
      : model_(model), config_(source.config()), tokenizer_(source.tokenizer()), problems_(problems) {}

  PairTokenCounts pairs(const VectorSource& source) {
    PairTokenCounts counts;
    each_item(source.pairs, [&](const AbItem& item) {
      const PairTokens pair = tokenize_pair(tokenizer_, model_.format, item);
      counts.add(pair.shared, static_cast<std::int64_t>(pair.matching.size()) - pair.shared,
                 static_cast<std::int64_t>(pair.other.size()) - pair.shared);
      return std::max(pair.matching.size(), pair.other.size());
    });
    return counts;
  }

  QuestionTokenCounts questions(const RunSpec& run) {
    QuestionTokenCounts counts;
    tell(run.questions.mark, run.questions.path,
         [&] { letter_tokens(tokenizer_, model_.format, letters_of(run.questions.items)); });
    each_item(run.questions, [&](const AbItem& item) {
      const QuestionTokens q = tokenize_question(tokenizer_, model_.format, run.positions, item);
      const auto tokens = static_cast<std::int64_t>(q.ids.size());
      counts.add(tokens, tokens - q.steer_from);
      return q.ids.size();
    });
    return counts;
  }

 private:
  /// Calls `step`; whether it went well. Else its Error is a problem, if it is `listed`.
  bool tell(const Mark& mark, const std::string& where, const std::function<void()>& step, bool listed = true) {
    try {
      step();
      return true;
    } catch (const Error& e) {
      if (listed) problems_.add(mark, fmt::format("{}: with {}: {}", where, model_.name, e.what()));
      return false;
    }
  }

  /// `count` gives an item's tokens. Items that are too long are one problem of the file: a prompt that does not fit
  /// rarely comes alone.
  void each_item(const DataSet& set, const std::function<std::size_t(const AbItem&)>& count) {
    int found = 0, too_long = 0;
    std::size_t first = 0, longest = 0;
    for (std::size_t i = 0; i < set.items.size(); ++i) {
      std::size_t tokens = 0;
      const bool listed = found < kMostProblems;
      found += !tell(
          set.mark, fmt::format("{}: item {}", set.path, i), [&] { tokens = count(set.items[i]); }, listed);
      if (tokens <= static_cast<std::size_t>(config_.max_positions)) continue;
      if (too_long++ == 0) first = i;
      longest = std::max(longest, tokens);
    }
    const auto sum_up = [&](const std::string& items, const std::string& what) {
      problems_.add(set.mark, fmt::format("{}: {}: with {}: {}", set.path, items, model_.name, what));
    };
    if (found > kMostProblems) sum_up(fmt::format("{} more items", found - kMostProblems), "problems of this kind");
    const auto most = config_.max_positions;
    if (too_long == 1)
      sum_up(fmt::format("item {}", first), fmt::format("{} tokens: the model takes {}", longest, most));
    if (too_long > 1)
      sum_up(fmt::format("{} of {} items, the first item {}", too_long, set.items.size(), first),
             fmt::format("up to {} tokens: the model takes {}", longest, most));
  }

  const ModelSpec& model_;
  const ModelConfig& config_;
  Tokenizer tokenizer_;
  SpecProblems& problems_;
};

}  // namespace

void check_tensors(const ModelSource& source, const ModelSpec& model, SpecProblems& problems) {
  try {
    source.check();
  } catch (const Error& e) {
    problems.add_lines(model.mark, e.what());
  }
}

TokenCounts count_tokens(const SweepSpec& spec, const ModelSpec& model, const ModelSource& source,
                         SpecProblems& problems) {
  TokenCounts counts;
  try {
    TokenCounter counter(model, source, problems);
    for (const int v : sources_of(spec, model)) {
      if (v < 0 || v >= static_cast<int>(spec.vectors.size())) continue;  // a reference to nothing: told already
      counts.vectors.push_back(counter.pairs(spec.vectors[static_cast<std::size_t>(v)]));
    }
    for (const RunSpec& run : spec.runs)
      if (takes_part(model, run)) counts.runs.push_back(counter.questions(run));
  } catch (const Error& e) {
    problems.add_lines(model.mark, e.what());
  }
  return counts;
}

}  // namespace steergrid
