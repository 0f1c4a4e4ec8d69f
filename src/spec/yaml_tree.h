// A YAML document as a plain tree with places: all that the rest of spec knows of YAML.
//
// Aliases are copied in, within a budget of nodes and bytes, so that a small hostile file stays a small tree; every
// copy keeps the place it was written at. Duplicate keys are kept (the reader reports them). Tags other than the
// default ones and several documents are refused.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace steergrid {

struct YamlEntry;

struct YamlNode {
  enum class Kind : std::uint8_t { Null, Scalar, List, Map } kind = Kind::Null;
  std::string scalar;
  bool quoted = false;  // "5" is text, 5 is a number
  int line = 1, column = 1;
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;
};

struct YamlEntry {
  std::string key;
  int line = 1, column = 1;
  YamlNode value;
};

/// Parses one document. `file` is for messages. Throws Error (bad input): "file:line:column: ..." for syntax, bytes
/// that are not UTF-8, and what is refused.
YamlNode parse_yaml(const std::string& file, const std::string& text);

}  // namespace steergrid
