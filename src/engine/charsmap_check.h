// The one part of a sentencepiece model that the library follows without looking: the normalizer's character map, a
// double-array trie whose damaged offsets lead it outside (a crash in sentencepiece 0.1.97). Llama's own map is empty
// (identity); tokenizers with another normalization have one. Called by tokenizer only.
#pragma once

#include <cstddef>
#include <span>

namespace steergrid {

/// Whether every step of every map in the serialized `model` stays inside it. True too for what is no model at all: the
/// library refuses that by itself.
bool charsmaps_stay_inside(std::span<const std::byte> model);

}  // namespace steergrid
