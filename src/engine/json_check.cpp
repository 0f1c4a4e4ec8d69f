#include "engine/json_check.h"

#include <nlohmann/json.hpp>

#include <string>
#include <unordered_set>
#include <vector>

#include "engine/problems.h"

namespace steergrid {

namespace {

using nlohmann::json;

/// Follows the parser through the text; a `false` stops it, with the reason in `problem`.
class Check final : public nlohmann::json_sax<json> {
 public:
  explicit Check(int deepest) : deepest_(deepest) {}
  const std::string& problem() const { return problem_; }

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("a boolean"); }
  bool number_integer(number_integer_t) override { return value("a number"); }
  bool number_unsigned(number_unsigned_t) override { return value("a number"); }
  bool number_float(number_float_t, const string_t&) override { return value("a number"); }
  bool string(string_t&) override { return value("a string"); }
  bool binary(binary_t&) override { return value("binary data"); }
  bool start_array(std::size_t) override { return value("an array") && deeper(); }
  bool end_array() override { return higher(); }
  bool start_object(std::size_t) override { return deeper(); }
  bool end_object() override { return higher(); }

  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    return stop(fmt::format("key '{}' stands there twice", shown(name)));
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    std::string_view reason = error.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    if (const auto end = reason.find("] "); end != std::string_view::npos) reason.remove_prefix(end + 2);
    return stop(fmt::format("not valid JSON at byte {} ({})", position, shown(reason)));
  }

 private:
  bool stop(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool value(const char* what) {
    return keys_.empty() ? stop(fmt::format("expected a JSON object, found {}", what)) : true;
  }
  bool deeper() {
    keys_.emplace_back();
    if (static_cast<int>(keys_.size()) <= deepest_) return true;
    return stop(fmt::format("JSON nested deeper than {} levels", deepest_));
  }
  bool higher() {
    keys_.pop_back();
    return true;
  }

  int deepest_;
  std::string problem_;
  std::vector<std::unordered_set<std::string>> keys_;  // of the objects around; an array's set stays empty
};

}  // namespace

void check_json_object(std::string_view text, std::string_view where, int deepest) {
  Check check(deepest);
  if (!json::sax_parse(text, &check)) bad_input("{}: {}", where, check.problem());
}

}  // namespace steergrid
