#include "engine/tokenizer.h"

#include <sentencepiece_processor.h>

#include <exception>
#include <filesystem>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "engine/charsmap_check.h"
#include "engine/lfs_pointer.h"

namespace steergrid {

struct Tokenizer::Impl {
  sentencepiece::SentencePieceProcessor processor;
  std::int32_t bos = 0;
};

namespace {

/// Why sentencepiece does not take `model`, or "". It throws for some damage and returns a status for the rest.
std::string load(sentencepiece::SentencePieceProcessor& processor, std::span<const std::byte> model) {
  if (model.empty()) return "an empty file";
  if (!charsmaps_stay_inside(model)) return "a damaged character map";
  try {
    const auto status = processor.LoadFromSerializedProto({reinterpret_cast<const char*>(model.data()), model.size()});
    return status.ok() ? "" : status.ToString();
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Tokenizer Tokenizer::from_model(std::string_view model, const std::string& where, std::int32_t bos) {
  Tokenizer tokenizer(std::make_unique<Impl>());
  if (const std::string problem = load(tokenizer.impl_->processor, std::as_bytes(std::span(model))); !problem.empty())
    bad_input("{}: expected a sentencepiece model, found something else ({})", where, problem);
  tokenizer.impl_->bos = bos;
  if (bos < 0 || bos >= tokenizer.size())
    bad_input("{}: expected the token that begins a text below its {} pieces, found {}", where, tokenizer.size(), bos);
  return tokenizer;
}

Tokenizer::Tokenizer(const std::string& folder, std::int32_t bos) {
  const std::string path = folder + "/tokenizer.model";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    bad_input("{}: expected a SentencePiece model, found none there{}: {}", path,
              std::filesystem::exists(folder + "/tokenizer.json", ignored) ? ", only tokenizer.json" : "",
              "download tokenizer.model too; models without one, such as Llama 3, are not supported");
  const MappedFile file(path);
  refuse_lfs_pointer(file);
  const std::string_view model(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  impl_ = std::move(from_model(model, file.path(), bos).impl_);
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;

Encoding Tokenizer::encode(std::string_view text) const {
  sentencepiece::ImmutableSentencePieceText pieces;
  if (const auto status = impl_->processor.Encode(text, pieces.mutable_proto()); !status.ok())
    failed("sentencepiece cannot encode a text of {} bytes ({})", text.size(), status.ToString());
  Encoding encoding{.ids = {impl_->bos}, .begin = {0}, .end = {0}};
  for (const auto& piece : pieces.pieces()) {
    encoding.ids.push_back(static_cast<std::int32_t>(piece.id()));
    encoding.begin.push_back(static_cast<std::int32_t>(piece.begin()));
    encoding.end.push_back(static_cast<std::int32_t>(piece.end()));
  }
  return encoding;
}

int Tokenizer::size() const { return impl_->processor.GetPieceSize(); }

std::string Tokenizer::piece(std::int32_t id) const {
  return id >= 0 && id < size() ? impl_->processor.IdToPiece(id) : "<no piece " + std::to_string(id) + ">";
}

}  // namespace steergrid
