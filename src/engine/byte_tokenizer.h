// The tokenizer of synthetic models: one token a byte, at the ids where Llama's vocabulary has its 256 byte pieces. It
// is made here, as a sentencepiece model, because Llama's own may not be shipped; a text has some four times the tokens
// that Llama's would give it.
#pragma once

#include <string>

namespace steergrid {

inline constexpr int kByteTokens = 259;  // <unk> 0, <s> 1, </s> 2, then the bytes

/// A sentencepiece model (the content of a tokenizer.model) that takes every text byte by byte, spaces and all.
std::string byte_tokenizer_model();

}  // namespace steergrid
