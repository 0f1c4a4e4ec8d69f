// A small sentencepiece model trained on the spot with the settings of Llama's tokenizer (BPE, byte fallback, digits
// apart, identity normalization, dummy prefix, spaces kept): for tests that need tokens but no reference data.
#pragma once

#include <string>

namespace steergrid {

/// Writes `folder`/tokenizer.model with 340 pieces (unk 0, BOS 1, EOS 2, then the 256 bytes). It knows "[", "/",
/// "INST",
/// "]", "Response", ":", "(", ")" and the letters A to D as pieces of their own; E to Z only as bytes.
/// `normalization` is a rule of sentencepiece: "identity" as Llama, or "nmt_nfkc".
void write_tokenizer(const std::string& folder, const std::string& normalization = "identity");
inline constexpr int kMadeUpPieces = 340;

}  // namespace steergrid
