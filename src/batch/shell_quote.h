// Text of users as words of a shell and of #SBATCH lines. Whatever a path or a profile holds, it stays one word:
// nothing is expanded, nothing ends the line. Called by whoever writes a batch script.
#pragma once

#include <string>
#include <string_view>

namespace steergrid {

/// `text` as one word of bash: as it is where that is safe, else in single quotes. Throws Error (bad input) for control
/// characters, line breaks among them.
std::string shell_quote(std::string_view text);

/// `text` as one argument on an #SBATCH line, which Slurm reads by rules of its own (a backslash escapes everywhere).
/// Throws as shell_quote.
std::string directive_quote(std::string_view text);

}  // namespace steergrid
