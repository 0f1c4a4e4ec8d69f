#include "engine/byte_tokenizer.h"

#include <fmt/format.h>

#include <string_view>

namespace steergrid {
namespace {

// The protocol buffer by hand (sentencepiece_model.proto): field numbers below 16, so a tag is one byte.
enum class Wire : char { Varint = 0, Bytes = 2, Fixed32 = 5 };

void tag(std::string& to, int field, Wire wire) { to += static_cast<char>(field << 3 | static_cast<int>(wire)); }

void varint(std::string& to, unsigned value) {
  for (; value >= 128; value >>= 7) to += static_cast<char>(value | 128u);
  to += static_cast<char>(value);
}

void bytes(std::string& to, int field, std::string_view content) {
  tag(to, field, Wire::Bytes);
  varint(to, static_cast<unsigned>(content.size()));
  to += content;
}

/// ModelProto.SentencePiece {piece = 1, score = 2, type = 3}
void piece(std::string& model, std::string_view text, int type) {
  std::string entry;
  bytes(entry, 1, text);
  tag(entry, 2, Wire::Fixed32);
  entry.append(4, '\0');  // 0.0f
  tag(entry, 3, Wire::Varint);
  varint(entry, static_cast<unsigned>(type));
  bytes(model, 1, entry);
}

void flag(std::string& to, int field, bool value) {
  // Fields from 16 on have tags of two bytes.
  varint(to, static_cast<unsigned>(field << 3));
  varint(to, value ? 1 : 0);
}

}  // namespace

std::string byte_tokenizer_model() {
  constexpr int kUnknown = 2, kControl = 3, kByte = 6, kBpe = 2;
  std::string model;
  piece(model, "<unk>", kUnknown);
  piece(model, "<s>", kControl);
  piece(model, "</s>", kControl);
  for (int b = 0; b < 256; ++b) piece(model, fmt::format("<0x{:02X}>", b), kByte);

  std::string trainer;            // ModelProto.trainer_spec = 2
  tag(trainer, 3, Wire::Varint);  // model_type
  varint(trainer, kBpe);
  flag(trainer, 35, true);  // byte_fallback
  bytes(model, 2, trainer);

  std::string normalizer;  // ModelProto.normalizer_spec = 3: the text as it is
  bytes(normalizer, 1, "identity");
  flag(normalizer, 3, false);  // add_dummy_prefix
  flag(normalizer, 4, false);  // remove_extra_whitespaces
  flag(normalizer, 5, false);  // escape_whitespaces
  bytes(model, 3, normalizer);
  return model;
}

}  // namespace steergrid
