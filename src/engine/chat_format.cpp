#include "engine/chat_format.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace steergrid {

namespace {

/// What Python's str.isspace says, as UTF-8: the white space of ASCII, the four separators, and Unicode's spaces.
constexpr std::array<std::string_view, 29> kSpaces = {
    "\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",   "\x1e",   "\x1f",   " ",
    "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};

std::string_view strip(std::string_view text) {
  const auto before = [&] { return std::ranges::find_if(kSpaces, [&](auto s) { return text.starts_with(s); }); };
  const auto after = [&] { return std::ranges::find_if(kSpaces, [&](auto s) { return text.ends_with(s); }); };
  for (auto s = before(); s != kSpaces.end(); s = before()) text.remove_prefix(s->size());
  for (auto s = after(); s != kSpaces.end(); s = after()) text.remove_suffix(s->size());
  return text;
}

std::string_view instruction_mark(PromptFormat format) {
  return format == PromptFormat::CaaLlama2Chat ? "[/INST]" : "Response:";
}

/// The token whose surface holds byte `at`. Byte-fallback pieces of one character: the last holds it, the rest nothing.
int token_at(const Encoding& encoding, std::int32_t at) {
  for (std::size_t i = encoding.ids.size(); i-- > 0;)
    if (encoding.begin[i] <= at && at < encoding.end[i]) return static_cast<int>(i);
  return -1;
}

}  // namespace

std::string chat_text(PromptFormat format, std::string_view system, std::string_view user, std::string_view answer) {
  std::string text;
  if (format == PromptFormat::CaaBase) {
    if (!system.empty()) bad_input("format {}: a base model has no system prompt, found one", name_of(format));
    text.append("Input: ").append(strip(user));
    if (!answer.empty()) text.append("\nResponse: ").append(strip(answer));
    return text;
  }
  if (!system.empty()) text.append("<<SYS>>\n").append(system).append("\n<</SYS>>\n\n");
  text.append("[INST] ").append(strip(user)).append(" [/INST]");
  if (!answer.empty()) text.append(" ").append(strip(answer));
  return text;
}

Prompt make_prompt(const Tokenizer& tokenizer, PromptFormat format, std::string_view system, std::string_view user,
                   std::string_view answer) {
  const std::string text = chat_text(format, system, user, answer);
  const std::string_view mark = instruction_mark(format);
  const std::size_t found = text.rfind(mark);
  if (found == std::string::npos)
    bad_input("format {}: expected \"{}\" in the prompt, found none (has the question no answer to begin?)",
              name_of(format), mark);
  Encoding encoding = tokenizer.encode(text);
  const int end = token_at(encoding, static_cast<std::int32_t>(found + mark.size() - 1));
  if (end < 0) bad_input("format {}: no token holds the end of \"{}\": the tokenizer drops it", name_of(format), mark);
  return {.ids = std::move(encoding.ids), .instruction_end = end};
}

std::int32_t letter_token(const Tokenizer& tokenizer, PromptFormat format, char letter) {
  if (letter < 'A' || letter > 'Z') bad_input("answer letter: expected 'A' to 'Z', found '{}'", letter);
  const std::string text = chat_text(format, "", "Question", std::string("(") + letter + ")");
  const Encoding encoding = tokenizer.encode(text);
  const std::size_t n = encoding.ids.size();
  const auto bytes = static_cast<std::int32_t>(text.size());
  // Surfaces, not pieces: the letter may be a byte-fallback piece, the "(" may hold the space before it.
  const bool apart = n > 3 && encoding.begin[n - 1] == bytes - 1 && encoding.begin[n - 2] == bytes - 2 &&
                     encoding.end[n - 2] == bytes - 1 && encoding.end[n - 3] == bytes - 2;
  const std::int32_t id = n > 3 ? encoding.ids[n - 2] : 0;
  const std::string piece = tokenizer.piece(id);
  if (apart && (piece == std::string(1, letter) || piece == fmt::format("<0x{:02X}>", letter))) return id;
  std::string tail;
  for (std::size_t i = n > 3 ? n - 3 : 0; i < n; ++i) tail += " '" + tokenizer.piece(encoding.ids[i]) + "'";
  bad_input("answer letter '{}': expected \"({})\" to end in the three tokens \"(\", \"{}\", \")\", found{}", letter,
            letter, letter, tail);
}

int shared_prefix(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  const auto n = std::min(a.size(), b.size());
  const auto [end, ignored] = std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin());
  return static_cast<int>(end - a.begin());
}

}  // namespace steergrid
