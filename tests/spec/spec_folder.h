// A folder of a test's own with what a spec names: a checkpoint folder, a data set of pairs, one of questions.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/error.h"
#include "spec/sweep_spec.h"

namespace steergrid {

class SpecFolder {
 public:
  SpecFolder() : path_(testing::TempDir() + "steergrid-spec-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp: " + path_);
    std::filesystem::create_directory(path_ + "/model");
    write("pairs.json", items(5));
    write("questions.json", items(3));
  }
  ~SpecFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  SpecFolder(const SpecFolder&) = delete;
  SpecFolder& operator=(const SpecFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  void write(std::string_view name, std::string_view content) const {
    std::ofstream(*this / name, std::ios::binary) << content;
  }

  /// A data set of `n` good items.
  static std::string items(int n) {
    std::string text = "[";
    for (int i = 0; i < n; ++i)
      text += fmt::format(R"json({}{{"question": "Question {}?", "answer_matching_behavior": "({})",
                             "answer_not_matching_behavior": "({})"}})json",
                          i == 0 ? "" : ",", i, i % 2 == 0 ? "A" : "B", i % 2 == 0 ? "B" : "A");
    return text + "]";
  }

  /// Reads `text` as sweep.yaml.
  SweepSpec read(std::string_view text) const {
    write("sweep.yaml", text);
    return read_spec(*this / "sweep.yaml");
  }

  /// What reading `text` complains about, the folder left out of the places; "" if nothing.
  std::string complaint(std::string_view text) const {
    try {
      read(text);
      return {};
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::BadInput);
      std::string what = e.what();
      const std::string prefix = path_ + "/";
      for (std::size_t at = what.find(prefix); at != what.npos; at = what.find(prefix)) what.erase(at, prefix.size());
      return what;
    }
  }

 private:
  std::string path_;
};

/// A spec without problems; `more` is added at the top level.
inline std::string good_spec(std::string_view more = "") {
  return fmt::format(R"(name: small
output: results/small.h5
models:
  - name: tiny
    path: model
behaviors:
  - name: refusal
    pairs: pairs.json
    questions: questions.json
coefficients: [-1, 0, 1]
{}
)",
                     more);
}

}  // namespace steergrid
