// How a question and an answer become one text; the texts themselves are made in engine/chat_format.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace steergrid {

enum class PromptFormat : std::uint8_t { CaaLlama2Chat, CaaBase };

constexpr std::string_view name_of(PromptFormat f) {
  return f == PromptFormat::CaaLlama2Chat ? "caa-llama2-chat" : "caa-base";
}

constexpr std::optional<PromptFormat> prompt_format_from_name(std::string_view name) {
  for (const PromptFormat f : {PromptFormat::CaaLlama2Chat, PromptFormat::CaaBase})
    if (name == name_of(f)) return f;
  return std::nullopt;
}

}  // namespace steergrid
