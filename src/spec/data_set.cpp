// Reading of data sets; see data_set.h for the format. They are read as a stream of JSON events, so that a file of any
// shape or depth costs no more memory than the items it really holds. Fields that CAA's format does not know are
// ignored.
#include "spec/data_set.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/fingerprint.h"
#include "spec/problems.h"
#include "spec/text_file.h"

namespace steergrid {

namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 29;
constexpr std::size_t kMostListed = 5;  // problems of one file
constexpr std::array<std::string_view, 3> kFields = {"question", "answer_matching_behavior",
                                                     "answer_not_matching_behavior"};

std::string_view stripped(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// The X of "(X)".
std::optional<char> letter_of(std::string_view answer) {
  const std::string_view s = stripped(answer);
  if (s.size() != 3 || s[0] != '(' || s[2] != ')' || s[1] < 'A' || s[1] > 'Z') return std::nullopt;
  return s[1];
}

/// Listens to the JSON parser. Only the array, its objects and their fields matter; containers anywhere else are
/// reported where they stand for something else and then skipped, however deep they go.
class ItemReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  ItemReader(std::string path, std::size_t limit) : path_(std::move(path)), limit_(limit) {}

  /// The items. Throws Error if there were problems or no item at all.
  std::vector<AbItem> finish();

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("a boolean"); }
  bool number_integer(number_integer_t) override { return value("a number"); }
  bool number_unsigned(number_unsigned_t) override { return value("a number"); }
  bool number_float(number_float_t, const string_t&) override { return value("a number"); }
  bool binary(binary_t&) override { return value("binary data"); }
  bool string(string_t& text) override { return value("text", &text); }
  bool start_object(std::size_t) override;
  bool end_object() override;
  bool start_array(std::size_t) override;
  bool end_array() override;
  bool key(string_t& name) override;
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& e) override;

 private:
  bool used() const { return index_ < limit_; }
  bool value(std::string_view kind, std::string* text = nullptr);
  void problem(const std::string& place, const std::string& what);
  void item_problem(std::string_view field, const std::string& what);
  void take_item();
  bool has_all_fields();
  bool has_text(std::size_t field);
  std::optional<char> take_letter(std::size_t field);

  std::string path_;
  std::size_t limit_;
  bool in_array_ = false, in_item_ = false;
  std::size_t skipping_ = 0;  // containers open that do not matter
  std::size_t index_ = 0;     // of the current item
  std::string key_;
  std::set<std::string> keys_;  // of the current item
  std::array<std::optional<std::string>, 3> texts_;
  std::vector<AbItem> items_;
  std::vector<std::string> problems_;
  std::size_t n_problems_ = 0;
};

void ItemReader::problem(const std::string& place, const std::string& what) {
  if (++n_problems_ <= kMostListed) problems_.push_back(fmt::format("{}{}: {}", path_, place, what));
}

void ItemReader::item_problem(std::string_view field, const std::string& what) {
  problem(fmt::format(": [{}]{}{}", index_, field.empty() ? "" : ".", field), what);
}

/// A value, or the begin of a container that stands for one. Returns false, which stops the parser, where nothing
/// useful can follow.
bool ItemReader::value(std::string_view kind, std::string* text) {
  if (skipping_ > 0) return true;
  if (!in_array_) {
    problem("", fmt::format("expected an array of items, found {}", kind));
    return false;
  }
  if (!in_item_) {
    if (used()) item_problem("", fmt::format("expected an object, found {}", kind));
    ++index_;
    return true;
  }
  const auto* field = std::find(kFields.begin(), kFields.end(), key_);
  if (field == kFields.end() || !used()) return true;
  if (text == nullptr) {
    item_problem(key_, fmt::format("expected text, found {}", kind));
  } else {
    texts_[static_cast<std::size_t>(field - kFields.begin())] = std::move(*text);
  }
  return true;
}

bool ItemReader::start_object(std::size_t) {
  if (skipping_ == 0 && in_array_ && !in_item_) {
    in_item_ = true;
    keys_.clear();
    texts_ = {};
    return true;
  }
  const bool go_on = value("an object");
  ++skipping_;
  return go_on;
}

bool ItemReader::start_array(std::size_t) {
  if (!in_array_) return in_array_ = true;
  const bool go_on = value("an array");
  ++skipping_;
  return go_on;
}

bool ItemReader::end_object() {
  if (skipping_ > 0) {
    --skipping_;
    return true;
  }
  if (used()) take_item();
  in_item_ = false;
  ++index_;
  return true;
}

bool ItemReader::end_array() {
  if (skipping_ > 0) --skipping_;
  return true;
}

bool ItemReader::key(string_t& name) {
  if (skipping_ > 0) return true;
  const bool first = keys_.insert(name).second;
  if (!first && used()) item_problem("", fmt::format("expected each field once, found {} again", in_quotes(name)));
  key_ = std::move(name);
  return true;
}

bool ItemReader::parse_error(std::size_t, const std::string&, const nlohmann::json::exception& e) {
  // "[json.exception.parse_error.101] parse error at line 3, column 7: syntax error ...": keep what a user needs.
  std::string text = e.what();
  for (const std::string_view start : {"] ", "parse error at "})
    if (const std::size_t at = text.find(start); at != text.npos) text.erase(0, at + start.size());
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  problem("", fmt::format("expected JSON, found an error at {}", text));
  return false;
}

/// Reports the fields that the current item lacks, in one problem.
bool ItemReader::has_all_fields() {
  std::vector<std::string_view> missing;
  for (const std::string_view f : kFields)
    if (!keys_.contains(std::string(f))) missing.push_back(f);
  if (missing.empty()) return true;
  const std::vector<std::string_view> found(keys_.begin(), keys_.end());
  std::vector<std::string_view> unknown;  // only these can be meant for a field that is missing
  std::copy_if(found.begin(), found.end(), std::back_inserter(unknown),
               [](std::string_view key) { return std::find(kFields.begin(), kFields.end(), key) == kFields.end(); });
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 6); ++i) shown.push_back(in_quotes(found[i]));
  item_problem(
      "", fmt::format("expected the field{} {}, found {}{}", missing.size() > 1 ? "s" : "", fmt::join(missing, ", "),
                      shown.empty() ? "no field" : fmt::format("only {}", fmt::join(shown, ", ")),
                      missing.size() == 1 ? suggestion(missing[0], unknown) : ""));
  return false;
}

/// Whether the current item's field is a text that is not blank; its wrong type has been reported already.
bool ItemReader::has_text(std::size_t f) {
  if (!texts_[f]) return false;
  if (texts_[f]->find('\0') == std::string::npos && !stripped(*texts_[f]).empty()) return true;
  item_problem(kFields[f],
               fmt::format("expected text that is not blank and has no NUL, found {}", in_quotes(*texts_[f])));
  return false;
}

std::optional<char> ItemReader::take_letter(std::size_t f) {
  if (!has_text(f)) return std::nullopt;
  const auto letter = letter_of(*texts_[f]);
  if (!letter)
    item_problem(kFields[f], fmt::format("expected an answer letter as '(A)', found {}", in_quotes(*texts_[f])));
  return letter;
}

void ItemReader::take_item() {
  if (!has_all_fields()) return;
  const bool question = has_text(0);
  const auto matching = take_letter(1);
  const auto other = take_letter(2);
  if (!question || !matching || !other) return;
  if (*matching == *other) {
    item_problem(kFields[2],
                 fmt::format("expected another letter than {}'s, found '({})' in both", kFields[1], *other));
    return;
  }
  items_.push_back({std::move(*texts_[0]), std::move(*texts_[1]), std::move(*texts_[2]), *matching, *other});
}

std::vector<AbItem> ItemReader::finish() {
  if (n_problems_ == 0 && items_.empty()) problem("", "expected at least one item, found an empty array");
  if (n_problems_ == 0) return std::move(items_);
  if (n_problems_ > kMostListed)
    problems_.push_back(fmt::format("{}: ... and {} more problems", path_, n_problems_ - kMostListed));
  throw Error(ExitCode::BadInput, fmt::format("{}", fmt::join(problems_, "\n")));
}

}  // namespace

DataSet read_data_set(const std::string& path, std::optional<int> limit) {
  DataSet set;
  set.path = std::filesystem::absolute(path).lexically_normal().string();
  const std::string text = read_text_file(set.path, kMostBytes);
  set.identity = Fingerprint().bytes(std::as_bytes(std::span(text))).hex();
  ItemReader reader(set.path, limit ? static_cast<std::size_t>(std::max(*limit, 0)) : text.size() + 1);
  nlohmann::json::sax_parse(text, &reader);
  set.items = reader.finish();
  set.limit = limit;
  return set;
}

}  // namespace steergrid
