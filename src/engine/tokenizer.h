// The sentencepiece tokenizer of a Llama checkpoint (tokenizer.model). BOS first, no EOS, as Hugging Face's
// LlamaTokenizer encodes by default.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace steergrid {

struct Encoding {
  std::vector<std::int32_t> ids;    // ids[0] is BOS
  std::vector<std::int32_t> begin;  // byte of the text where each token's surface begins (BOS: 0, 0)
  std::vector<std::int32_t> end;    // one past its last byte
};

class Tokenizer {
 public:
  /// Reads `folder`/tokenizer.model. Throws Error if it is missing or not a sentencepiece model.
  Tokenizer(const std::string& folder, std::int32_t bos);
  /// From a model's bytes; `where` is what messages call it.
  static Tokenizer from_model(std::string_view model, const std::string& where, std::int32_t bos);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;

  Encoding encode(std::string_view text) const;
  int size() const;                          // pieces
  std::string piece(std::int32_t id) const;  // for messages

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace steergrid
