#include "app/count_tokens.h"

#include "base/error.h"
#include "engine/config.h"
#include "engine/tokenizer.h"
#include "steer/items.h"

namespace steergrid {
namespace {

constexpr int kMostProblems = 20;

/// Calls `count` for every item; an Error becomes a line.
template <class Count>
void each_item(const Mark& mark, const DataSet& set, const std::string& model, std::vector<std::string>& problems,
               const Count& count) {
  int found = 0;
  for (std::size_t i = 0; i < set.items.size(); ++i) {
    try {
      count(set.items[i]);
    } catch (const Error& e) {
      if (++found <= kMostProblems)
        problems.push_back(fmt::format("{}: {}: item {}: with {}: {}", mark.text(), set.path, i, model, e.what()));
    }
  }
  if (found > kMostProblems)
    problems.push_back(
        fmt::format("{}: {}: with {}: {} more items", mark.text(), set.path, model, found - kMostProblems));
}

/// Counts the sources and runs of one model.
class ModelCounter {
 public:
  ModelCounter(const Prepared& prepared, const ModelPlan& plan, std::vector<std::string>& problems)
      : prepared_(prepared),
        plan_(plan),
        spec_(prepared.spec.models[static_cast<std::size_t>(plan.model)]),
        config_(read_config(spec_.path)),
        tokenizer_(spec_.path, config_.bos_token),
        problems_(problems) {}

  TokenCounts count() {
    TokenCounts counts;
    for (const VectorPlan& v : plan_.vectors) counts.vectors.push_back(count_pairs(v));
    for (const RunPlan& r : plan_.runs) counts.runs.push_back(count_questions(r));
    return counts;
  }

 private:
  PairTokenCounts count_pairs(const VectorPlan& v) {
    PairTokenCounts counts;
    const VectorSource& source = prepared_.spec.vectors[static_cast<std::size_t>(v.source)];
    each_item(source.mark, source.pairs, spec_.name, problems_, [&](const AbItem& item) {
      const PairTokens pair = tokenize_pair(tokenizer_, spec_.format, item);
      check_length(std::max(pair.matching.size(), pair.other.size()));
      counts.add(pair.shared, static_cast<std::int64_t>(pair.matching.size()) - pair.shared,
                 static_cast<std::int64_t>(pair.other.size()) - pair.shared);
    });
    return counts;
  }

  QuestionTokenCounts count_questions(const RunPlan& r) {
    QuestionTokenCounts counts;
    const RunSpec& run = prepared_.spec.runs[static_cast<std::size_t>(r.run)];
    try {
      letter_tokens(tokenizer_, spec_.format, r.letters);
    } catch (const Error& e) {
      problems_.push_back(
          fmt::format("{}: {}: with {}: {}", run.mark.text(), run.questions.path, spec_.name, e.what()));
    }
    each_item(run.mark, run.questions, spec_.name, problems_, [&](const AbItem& item) {
      const QuestionTokens q = tokenize_question(tokenizer_, spec_.format, run.positions, item);
      check_length(q.ids.size());
      const auto tokens = static_cast<std::int64_t>(q.ids.size());
      counts.add(tokens, tokens - q.steer_from);
    });
    return counts;
  }

  void check_length(std::size_t tokens) const {
    if (tokens > static_cast<std::size_t>(config_.max_positions))
      bad_input("{} tokens: the model takes {}", tokens, config_.max_positions);
  }

  const Prepared& prepared_;
  const ModelPlan& plan_;
  const ModelSpec& spec_;
  ModelConfig config_;
  Tokenizer tokenizer_;
  std::vector<std::string>& problems_;
};

}  // namespace

std::vector<TokenCounts> count_tokens(const Prepared& prepared, std::vector<std::string>& problems) {
  std::vector<TokenCounts> counts;
  for (const ModelPlan& model : prepared.plan.models) counts.push_back(ModelCounter(prepared, model, problems).count());
  return counts;
}

}  // namespace steergrid
