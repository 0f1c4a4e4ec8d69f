#include "app/inspect_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <sstream>

#include "base/error.h"
#include "plan/plan.h"
#include "spec/check_models.h"
#include "steer/items.h"

namespace steergrid {
namespace {

constexpr int kMostProblems = 20;

/// Counts the sources and runs of one model.
class TokenCounter {
 public:
  TokenCounter(const ModelSpec& model, const ModelSource& source, SpecProblems& problems)
      : model_(model), config_(source.config()), tokenizer_(source.tokenizer()), problems_(problems) {}

  PairTokenCounts pairs(const VectorSource& source) {
    PairTokenCounts counts;
    each_item(source.mark, source.pairs, [&](const AbItem& item) {
      const PairTokens pair = tokenize_pair(tokenizer_, model_.format, item);
      check_length(std::max(pair.matching.size(), pair.other.size()));
      counts.add(pair.shared, static_cast<std::int64_t>(pair.matching.size()) - pair.shared,
                 static_cast<std::int64_t>(pair.other.size()) - pair.shared);
    });
    return counts;
  }

  QuestionTokenCounts questions(const RunSpec& run) {
    QuestionTokenCounts counts;
    tell(run.mark, run.questions.path,
         [&] { letter_tokens(tokenizer_, model_.format, letters_of(run.questions.items)); });
    each_item(run.mark, run.questions, [&](const AbItem& item) {
      const QuestionTokens q = tokenize_question(tokenizer_, model_.format, run.positions, item);
      check_length(q.ids.size());
      const auto tokens = static_cast<std::int64_t>(q.ids.size());
      counts.add(tokens, tokens - q.steer_from);
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

  void each_item(const Mark& mark, const DataSet& set, const std::function<void(const AbItem&)>& count) {
    int found = 0;
    for (std::size_t i = 0; i < set.items.size(); ++i) {
      const bool listed = found < kMostProblems;
      found += !tell(
          mark, fmt::format("{}: item {}", set.path, i), [&] { count(set.items[i]); }, listed);
    }
    if (found > kMostProblems)
      problems_.add(mark, fmt::format("{}: with {}: {} more items", set.path, model_.name, found - kMostProblems));
  }

  void check_length(std::size_t tokens) const {
    if (tokens > static_cast<std::size_t>(config_.max_positions))
      bad_input("{} tokens: the model takes {}", tokens, config_.max_positions);
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
    std::istringstream lines(e.what());
    for (std::string line; std::getline(lines, line);) problems.add(model.mark, line);
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
    problems.add(model.mark, e.what());
  }
  return counts;
}

}  // namespace steergrid
