#include "base/printable.h"

#include <gtest/gtest.h>

namespace steergrid {
namespace {

TEST(Printable, IsNothingThatATerminalObeys) {
  EXPECT_EQ(printable("a\x1b[31mb\x7f\r\n"), "a\\x1b[31mb\\x7f\\x0d\\n");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),  // the same order in one character, U+009B
            "\\xc2\\x9b31m");
  EXPECT_EQ(printable("\xc2\xa0"), "\xc2\xa0");
}

TEST(Printable, KeepsCharactersWholeAndEscapesWhatIsNone) {
  EXPECT_EQ(printable("r\xc3\xa9sum\xc3\xa9"), "r\xc3\xa9sum\xc3\xa9");
  EXPECT_EQ(printable("\xc3|\xff"), "\\xc3|\\xff");
  EXPECT_EQ(printable("\xe2\x82\xac\xe2\x82\xac", 2), "\xe2\x82\xac");
}

TEST(ControlCharacters, AreFoundWhereverTheyStand) {
  EXPECT_TRUE(has_control("\x1b"));
  EXPECT_TRUE(has_control("a\tb"));
  EXPECT_TRUE(has_control("a\x7f"));
  EXPECT_TRUE(has_control("a\xc2\x9b"));
  EXPECT_FALSE(has_control(""));
  EXPECT_FALSE(has_control("a b/r\xc3\xa9.json\xc2\xa0"));
}

}  // namespace
}  // namespace steergrid
