// The only file that knows yaml-cpp. It listens to the parser's events and builds the tree itself: yaml-cpp's own
// nodes would make cycles of recursive aliases and drop duplicate keys.
#include "spec/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>

#include "base/error.h"
#include "base/printable.h"
#include "spec/problems.h"
#include "spec/text_file.h"

namespace steergrid {

namespace {

constexpr std::size_t kMostNodes = 100'000;
constexpr std::size_t kMostBytes = 4'000'000;  // of scalars and keys, copies by aliases included
constexpr std::size_t kMostDepth = 50;

/// Thrown through yaml-cpp, which knows the place of everything but not our rules.
struct Refused {
  YAML::Mark mark;
  std::string why;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(mark, anchor, node_at(mark)); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    YamlNode node = node_at(mark);
    node.kind = YamlNode::Kind::Scalar;
    node.scalar = value;
    node.quoted = tag == "!";
    add(mark, anchor, std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto target = anchored_.find(anchor);
    if (target == anchored_.end()) throw Refused{mark, "expected a finished value, found an alias to what contains it"};
    charge_copy(mark, target->second);
    add(mark, 0, target->second);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::List);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::Map);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    YamlEntry entry;  // the key read last, waiting for its value
  };

  static YamlNode node_at(const YAML::Mark& mark) {
    YamlNode node;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  static void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!")
      throw Refused{mark, fmt::format("expected a value without a tag, found the tag {}", in_quotes(tag))};
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    check_tag(mark, tag);
    if (open_.size() >= kMostDepth)
      throw Refused{mark, fmt::format("expected at most {} levels of nesting, found more", kMostDepth)};
    Open level{node_at(mark), mark, anchor, false, {}};
    level.node.kind = kind;
    open_.push_back(std::move(level));
  }

  void close() {
    Open level = std::move(open_.back());
    open_.pop_back();
    add(level.mark, level.anchor, std::move(level.node));
  }

  void charge(const YAML::Mark& mark, std::size_t bytes) {
    nodes_ += 1;
    bytes_ += bytes;
    if (nodes_ > kMostNodes || bytes_ > kMostBytes)
      throw Refused{mark, fmt::format("expected at most {} values and {} bytes of text once aliases are expanded, "
                                      "found more",
                                      kMostNodes, kMostBytes)};
  }

  /// Charges a whole subtree, before it is copied.
  void charge_copy(const YAML::Mark& mark, const YamlNode& node) {
    charge(mark, node.scalar.size());
    for (const YamlNode& item : node.items) charge_copy(mark, item);
    for (const YamlEntry& entry : node.entries) {
      charge(mark, entry.key.size());
      charge_copy(mark, entry.value);
    }
  }

  void add(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode node) {
    charge(mark, node.scalar.size());
    if (anchor != 0) {
      charge_copy(mark, node);
      anchored_[anchor] = node;
    }
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::List) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.has_key) {
      parent.entry.value = std::move(node);
      if (parent.entry.value.kind == YamlNode::Kind::Null) {  // yaml-cpp puts a missing value where the next key stands
        parent.entry.value.line = parent.entry.line;
        parent.entry.value.column = parent.entry.column;
      }
      parent.node.entries.push_back(std::move(parent.entry));
      parent.has_key = false;
    } else {
      take_key(mark, std::move(node), parent);
    }
  }

  static void take_key(const YAML::Mark& mark, YamlNode node, Open& parent) {
    if (node.kind != YamlNode::Kind::Scalar) throw Refused{mark, "expected a name as key, found something else"};
    if (node.scalar == "<<" && !node.quoted)
      throw Refused{mark, "expected a key, found a merge key ('<<'), which is not supported: write the keys out"};
    parent.entry = {std::move(node.scalar), mark.line + 1, mark.column + 1, {}};
    parent.has_key = true;
  }

  YamlNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlNode> anchored_;
  std::size_t nodes_ = 0, bytes_ = 0;
};

/// Throws at the first byte that a spec may not hold.
void check_bytes(const std::string& file, const std::string& text) {
  const std::size_t wrong = std::min(first_not_utf8(text), text.find('\0'));
  if (wrong == std::string::npos) return;
  int line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < wrong; ++i) {
    if (text[i] != '\n') continue;
    ++line;
    line_start = i + 1;
  }
  bad_input("{}:{}:{}: expected UTF-8 text, found the byte 0x{:02x}", file, line, wrong - line_start + 1,
            static_cast<unsigned char>(text[wrong]));
}

}  // namespace

YamlNode parse_yaml(const std::string& file, const std::string& text) {
  check_bytes(file, text);
  TreeBuilder builder;
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    parser.HandleNextDocument(builder);
    YamlNode root = builder.take();
    TreeBuilder second;
    if (parser.HandleNextDocument(second)) bad_input("{}: expected one YAML document, found several", file);
    return root;
  } catch (const Refused& refused) {
    bad_input("{}:{}:{}: {}", file, refused.mark.line + 1, refused.mark.column + 1, refused.why);
  } catch (const YAML::Exception& e) {
    bad_input("{}:{}:{}: expected YAML, found a syntax error: {}", file, e.mark.line + 1, e.mark.column + 1,
              printable(e.msg));
  }
}

}  // namespace steergrid
