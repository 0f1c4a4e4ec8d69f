// Data-set items as tokens: where a pair is read and where a question is steered.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/prompt_format.h"
#include "engine/tokenizer.h"
#include "spec/sweep_spec.h"

namespace steergrid {

/// A contrast pair: both members up to and including the answer letter, which is where the residual is read (token -2
/// in CAA's "... (A)"; what follows it cannot matter). The first `shared` tokens are the same.
struct PairTokens {
  std::vector<std::int32_t> matching, other;
  int shared = 0;
};

/// A question up to and including "(": the next token is the answer letter.
struct QuestionTokens {
  std::vector<std::int32_t> ids;
  int steer_from = 0;  // first steered position: the instruction end, or 0
};

/// Throws Error (bad input) saying what is wrong with the item's tokens.
PairTokens tokenize_pair(const Tokenizer& tokenizer, PromptFormat format, const AbItem& item);

/// All of them, by several threads: a fast GPU would wait for one. Throws what the first bad item throws.
std::vector<PairTokens> tokenize_pairs(const Tokenizer& tokenizer, PromptFormat format, std::span<const AbItem> items);

/// Throws Error (bad input) saying what is wrong with the item's tokens.
QuestionTokens tokenize_question(const Tokenizer& tokenizer, PromptFormat format, Positions positions,
                                 const AbItem& item);

/// The tokens of the answer letters, in their order. Throws Error if one is not a single token.
std::vector<std::int32_t> letter_tokens(const Tokenizer& tokenizer, PromptFormat format, std::span<const char> letters);

}  // namespace steergrid
