// Hostile and broken YAML: refused with a place, in bounded memory.
#include "spec/yaml_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "spec_folder.h"

namespace steergrid {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string refusal(const std::string& text) {
  try {
    parse_yaml("s.yaml", text);
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(YamlTree, KeepsPlacesAndQuotes) {
  const YamlNode root = parse_yaml("s.yaml", "a: 1\nb:\n  - \"2\"\n");
  ASSERT_EQ(root.entries.size(), 2u);
  EXPECT_EQ(root.entries[0].value.column, 4);
  EXPECT_FALSE(root.entries[0].value.quoted);
  EXPECT_EQ(root.entries[1].value.items[0].line, 3);
  EXPECT_TRUE(root.entries[1].value.items[0].quoted);
}

TEST(YamlTree, KeepsDuplicateKeys) { EXPECT_EQ(parse_yaml("s.yaml", "a: 1\na: 2\n").entries.size(), 2u); }

TEST(YamlTree, PutsAMissingValueWhereItsKeyStands) {
  EXPECT_EQ(parse_yaml("s.yaml", "a: 1\nb:\nc: 2\n").entries[1].value.line, 2);
}

TEST(YamlTree, SaysWhereTheSyntaxBreaks) {
  EXPECT_THAT(refusal("name: x\n  output: y\n"), StartsWith("s.yaml:2:9: expected YAML, found a syntax error: "));
  EXPECT_THAT(refusal("name: \"\\\x1b\"\n"), EndsWith("unknown escape character: \\x1b"));
  EXPECT_THAT(refusal("models:\n\t- name: b\n"), StartsWith("s.yaml:2:2: expected YAML"));
  EXPECT_THAT(refusal("name: [a\n"), HasSubstr("expected YAML"));
  EXPECT_THAT(refusal("name: *nope\n"), StartsWith("s.yaml:1:7: "));
}

TEST(YamlTree, BoundsWhatAliasesExpandTo) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    bomb += fmt::format("a{0}: &a{0} [", i);
    for (int k = 0; k < 10; ++k) bomb += fmt::format("{}*a{}", k == 0 ? "" : ", ", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(refusal(bomb), HasSubstr("expected at most 100000 values"));
}

TEST(YamlTree, BoundsTheTextThatAliasesRepeat) {
  std::string text = "a: &a \"" + std::string(900'000, 'x') + "\"\nb: [*a";
  for (int i = 0; i < 1000; ++i) text += ", *a";
  EXPECT_THAT(refusal(text + "]\n"), HasSubstr("4000000 bytes"));
}

TEST(YamlTree, RefusesAliasesToWhatContainsThem) { EXPECT_THAT(refusal("a: &a [1, *a]\n"), HasSubstr("s.yaml:1:11:")); }

TEST(YamlTree, RefusesMergeKeys) {
  EXPECT_THAT(refusal("base: &b {x: 1}\nmodel:\n  <<: *b\n"), StartsWith("s.yaml:3:3: expected a key, found a merge"));
}

TEST(YamlTree, RefusesDeepNesting) {
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("levels of nesting"));
  std::string maps = "a: ";
  for (int i = 0; i < 50'000; ++i) maps += "{a: ";
  EXPECT_THAT(refusal(maps), HasSubstr("levels of nesting"));
}

TEST(YamlTree, RefusesTagsKeysThatAreNoNamesAndSeveralDocuments) {
  EXPECT_THAT(refusal("a: !!python/object:os.system rm\n"), HasSubstr("expected a value without a tag"));
  EXPECT_THAT(refusal("? [a, b]\n: c\n"), HasSubstr("expected a name as key"));
  EXPECT_THAT(refusal("a: 1\n---\nb: 2\n"), HasSubstr("expected one YAML document"));
}

TEST(YamlTree, RefusesBytesThatAreNotUtf8) {
  EXPECT_EQ(refusal("name: a\noutput: r\xe9sultat\n"), "s.yaml:2:10: expected UTF-8 text, found the byte 0xe9");
  EXPECT_THAT(refusal(std::string("a: b\0c\n", 7)), HasSubstr("found the byte 0x00"));
  EXPECT_THAT(refusal("a: \xed\xa0\x80\n"), HasSubstr("found the byte 0xed"));  // a lone surrogate
  EXPECT_THAT(refusal("a: \xc0\xaf\n"), HasSubstr("found the byte 0xc0"));      // overlong
  EXPECT_EQ(refusal("a: \xf0\x9f\x98\x80 \xe2\x82\xac\n"), "");
}

TEST(YamlTree, SurvivesEveryTruncationOfASpec) {
  const std::string text = good_spec("method: { normalize: { over: [refusal] } }\nstore: {activations: \"none\"}\n");
  const SpecFolder folder;
  for (std::size_t n = 0; n <= text.size(); ++n) folder.complaint(text.substr(0, n));
}

TEST(YamlTree, SurvivesAnyByteAnywhere) {
  const std::string text = "models: [{name: &a x, path: *a}, 'q', \"r\"]\nlayers: 1-2 # c\n";
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[at] = static_cast<char>(byte);
      refusal(changed);  // throws nothing but Error
    }
  }
}

TEST(SpecFile, IsAtMostAMegabyte) {
  const SpecFolder folder;
  EXPECT_THAT(folder.complaint(std::string(1'000'001, '#')), HasSubstr("expected at most 1000000 bytes"));
}

TEST(SpecFile, MustBeThere) {
  const SpecFolder folder;
  EXPECT_THROW(read_spec(folder / "none.yaml"), Error);
  EXPECT_THROW(read_spec(folder / "model"), Error);
}

}  // namespace
}  // namespace steergrid
