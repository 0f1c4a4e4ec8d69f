// Typed reading of a YAML tree that reports instead of throwing: every problem of a spec is told in one go.
//
// A Field is a value with its key path ("models[0].dtype"); a reading that does not fit adds a problem ("expected
// ..., found ...") and gives nothing. Fields is a map with the keys it may hold.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spec/problems.h"
#include "spec/yaml_tree.h"

namespace steergrid {

/// What all fields of one spec share.
struct SpecSource {
  std::string file;    // as the user named it
  std::string folder;  // absolute; relative paths start here
  SpecProblems problems;
};

class Field {
 public:
  Field(const YamlNode& node, std::string key, SpecSource& source) : node_(&node), key_(std::move(key)), in_(&source) {}

  const YamlNode& node() const { return *node_; }
  const std::string& key() const { return key_; }
  SpecSource& source() const { return *in_; }
  Mark mark() const;

  bool is_list() const { return node_->kind == YamlNode::Kind::List; }
  bool is_map() const { return node_->kind == YamlNode::Kind::Map; }
  bool is_scalar() const { return node_->kind == YamlNode::Kind::Scalar; }

  /// Adds the problem "expected <what>, found <this>" and gives nothing.
  std::nullopt_t expected(std::string_view what) const;
  void problem(std::string what) const;

  /// Any scalar that is not empty, as written.
  std::optional<std::string> text(std::string_view what) const;
  /// [A-Za-z0-9._-]+, not "." or ".."; at most 128 characters.
  std::optional<std::string> name() const;
  /// A whole number within [low, high], not quoted, no fraction, nothing cut off.
  std::optional<std::int64_t> integer(std::int64_t low, std::int64_t high, std::string_view what) const;
  /// A finite number that a float32 can hold, not quoted.
  std::optional<double> number(std::string_view what) const;
  /// Index of the choice that is written here.
  std::optional<std::size_t> choice(std::span<const std::string_view> choices) const;
  /// The elements of a list; reports if this is none or if it is empty.
  std::optional<std::vector<Field>> list(std::string_view what) const;

 private:
  const YamlNode* node_;
  std::string key_;
  SpecSource* in_;
};

/// The one of `values` whose name_of is written in `field`.
template <class E>
std::optional<E> choose(const Field& field, std::initializer_list<E> values) {
  std::vector<std::string_view> names;
  for (const E value : values) names.push_back(name_of(value));
  const auto index = field.choice(names);
  return index ? std::optional<E>(values.begin()[*index]) : std::nullopt;
}

class Fields {
 public:
  /// Reports unknown and duplicate keys, and a field that is no map ("expected <what>").
  Fields(const Field& map, std::string_view what, std::vector<std::string_view> known);

  bool ok() const { return ok_; }  // it was a map

  std::optional<Field> get(std::string_view key) const;
  /// Reports where the key is missing.
  std::optional<Field> required(std::string_view key, std::string_view what) const;

 private:
  void check_keys();

  Field map_;
  std::vector<std::string_view> known_;
  std::vector<std::string_view> meant_;  // known keys that unknown ones resemble: not reported as missing as well
  bool ok_;
};

}  // namespace steergrid
