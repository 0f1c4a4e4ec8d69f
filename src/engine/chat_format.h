// Prompts to the token (Rimsky et al. 2023, arXiv 2312.06681; nrimsky/CAA utils/tokenize.py).
//
//   caa-llama2-chat  ["<<SYS>>\n" sys "\n<</SYS>>\n\n"] "[INST] " user " [/INST]" [" " answer]
//   caa-base         "Input: " user ["\nResponse: " answer]
// user and answer stripped of white space as by Python's str.strip.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/prompt_format.h"
#include "engine/tokenizer.h"

namespace steergrid {

struct Prompt {
  std::vector<std::int32_t> ids;
  int instruction_end = 0;  // index of the token that holds the last character of the last "[/INST]" ("Response:")
};

/// The text of a prompt; `system` and `answer` may be empty (a base model has no system prompt: throws Error).
std::string chat_text(PromptFormat format, std::string_view system, std::string_view user, std::string_view answer);

/// Tokens of that text and its instruction end. Throws Error (naming what was looked for) if the text has none.
Prompt make_prompt(const Tokenizer& tokenizer, PromptFormat format, std::string_view system, std::string_view user,
                   std::string_view answer);

/// The one token that stands for answer letter `letter` ('A'..'Z') after "(" in this format. Throws Error if "(X)" does
/// not end in the three tokens "(", "X", ")".
std::int32_t letter_token(const Tokenizer& tokenizer, PromptFormat format, char letter);

/// Length of the longest common prefix of two token sequences.
int shared_prefix(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b);

}  // namespace steergrid
