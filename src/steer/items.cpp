#include "steer/items.h"

#include <algorithm>
#include <future>
#include <thread>

#include "base/error.h"
#include "base/in_background.h"
#include "engine/chat_format.h"

namespace steergrid {
namespace {

/// One member of a pair, cut after its answer letter.
std::vector<std::int32_t> member(const Tokenizer& tokenizer, PromptFormat format, const AbItem& item,
                                 const std::string& answer, char letter) {
  std::vector<std::int32_t> ids = make_prompt(tokenizer, format, "", item.question, answer).ids;
  const std::int32_t expected = letter_token(tokenizer, format, letter);
  if (ids.size() < 2 || ids[ids.size() - 2] != expected)
    bad_input("answer {:?}: expected the letter as the token before the last ('{}'), found '{}'", answer,
              tokenizer.piece(expected), ids.size() < 2 ? "" : tokenizer.piece(ids[ids.size() - 2]));
  ids.pop_back();
  return ids;
}

}  // namespace

PairTokens tokenize_pair(const Tokenizer& tokenizer, PromptFormat format, const AbItem& item) {
  PairTokens pair;
  pair.matching = member(tokenizer, format, item, item.matching_text, item.matching);
  pair.other = member(tokenizer, format, item, item.other_text, item.other);
  pair.shared = shared_prefix(pair.matching, pair.other);
  return pair;
}

std::vector<PairTokens> tokenize_pairs(const Tokenizer& tokenizer, PromptFormat format, std::span<const AbItem> items) {
  constexpr std::size_t kShare = 4;  // fewer pairs are not worth a thread
  const std::size_t most = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t threads = std::clamp<std::size_t>(items.size() / kShare, 1, most);
  const std::size_t share = (items.size() + threads - 1) / threads;
  std::vector<PairTokens> pairs(items.size());
  const auto work = [&](std::size_t first) {
    for (std::size_t i = first; i < std::min(first + share, items.size()); ++i)
      pairs[i] = tokenize_pair(tokenizer, format, items[i]);
  };
  std::vector<std::future<void>> parts;
  parts.push_back(std::async(std::launch::deferred, work, std::size_t{0}));  // this thread's own, while it waits
  for (std::size_t first = share; first < items.size(); first += share)
    parts.push_back(in_background([&work, first] { work(first); }));
  for (auto& part : parts) part.wait();
  for (auto& part : parts) part.get();
  return pairs;
}

QuestionTokens tokenize_question(const Tokenizer& tokenizer, PromptFormat format, Positions positions,
                                 const AbItem& item) {
  Prompt prompt = make_prompt(tokenizer, format, "", item.question, "(");
  return {std::move(prompt.ids), positions == Positions::All ? 0 : prompt.instruction_end};
}

std::vector<std::int32_t> letter_tokens(const Tokenizer& tokenizer, PromptFormat format,
                                        std::span<const char> letters) {
  std::vector<std::int32_t> tokens;
  for (const char letter : letters) tokens.push_back(letter_token(tokenizer, format, letter));
  return tokens;
}

}  // namespace steergrid
