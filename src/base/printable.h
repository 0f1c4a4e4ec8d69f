// Text of others on a terminal: what names and files hold can neither give it orders nor pass for a line of ours.
// Called by whatever prints to users, and by the readers of specs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace steergrid {

/// `text` on one line and in valid UTF-8, what a terminal would obey escaped; cut after some `most` bytes.
std::string printable(std::string_view text, std::size_t most = std::string_view::npos);

/// Whether `text` holds a control character: C0, DEL or, in UTF-8, C1.
bool has_control(std::string_view text);

/// Length in bytes of the UTF-8 character at the start of `text`; 0 if there is none (overlong forms, surrogates and
/// code points beyond U+10FFFF are none).
std::size_t utf8_length(std::string_view text);

}  // namespace steergrid
