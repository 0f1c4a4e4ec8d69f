// Text of users in scripts: a real bash reads it back.
#include "batch/shell_quote.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace steergrid {
namespace {

/// What bash makes of `word`, and how many words it sees.
std::string read_back(const std::string& word) {
  const auto file = std::filesystem::temp_directory_path() / ("steergrid_quote_" + std::to_string(::getpid()) + ".sh");
  std::ofstream(file) << "set -- " << word << "\nprintf '%s:%s' \"$#\" \"$1\"\n";
  FILE* pipe = ::popen(("bash " + file.string()).c_str(), "r");
  std::string text;
  for (int c; pipe != nullptr && (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  if (pipe != nullptr) ::pclose(pipe);
  std::filesystem::remove(file);
  return text;
}

TEST(ShellQuote, BringsEveryTextThroughBashUnchanged) {
  for (const std::string text :
       {"plain/path-1.yaml", "two words", "it's", "$(touch /tmp/owned)", "`id`", "a;b&c|d", "\"", "\\", "*", "~",
        "#no comment", "!history", "-n", "ümläut", "a=b", "'", "''", "$HOME"})
    EXPECT_EQ(read_back(shell_quote(text)), "1:" + text);
}

TEST(ShellQuote, MakesAWordOfNothing) { EXPECT_EQ(shell_quote(""), "''"); }

TEST(ShellQuote, LeavesPlainPathsReadable) { EXPECT_EQ(shell_quote("/data/sweep-1.yaml"), "/data/sweep-1.yaml"); }

TEST(ShellQuote, RefusesWhatWouldEndALine) {
  for (const std::string text : {"a\nb", "a\rb", "a\tb", "a\x7f"}) {
    EXPECT_THROW(shell_quote(text), Error);
    EXPECT_THROW(directive_quote(text), Error);
  }
}

TEST(ShellQuote, EscapesWhatEndsAQuoteForSlurm) {
  EXPECT_EQ(directive_quote("main"), "main");
  EXPECT_EQ(directive_quote("a b"), "\"a b\"");
  EXPECT_EQ(directive_quote("a\"b\\c"), "\"a\\\"b\\\\c\"");
}

}  // namespace
}  // namespace steergrid
