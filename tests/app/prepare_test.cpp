// How the ranks of a launch come to one plan: rank 0 prepares, tells, and the others prepare with what it told.
#include "app/prepare.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace steergrid {
namespace {

namespace fs = std::filesystem;

/// A sweep over a copy of the smallest demo model, in a folder of its own.
class Prepare : public testing::Test {
 protected:
  Prepare() : folder_(fs::temp_directory_path() / fmt::format("steergrid-prepare-{}", ::getpid())) {
    const fs::path demo = fs::path(STEERGRID_SOURCE_DIR) / "jobs/demo";
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    fs::copy(demo / "models/demo-0.3m", folder_ / "model");
    const std::string behavior = (demo / "behaviors/refusal").string();
    std::ofstream(spec()) << "name: small\noutput: small.h5\nmodels: [{ name: demo, path: model }]\nbehaviors:\n"
                          << "  - name: refusal\n    pairs: " << behavior
                          << "/generate_dataset.json\n    questions: " << behavior
                          << "/test_dataset_ab.json\ncoefficients: [1]\nlayers: all\n";
  }
  ~Prepare() override { fs::remove_all(folder_); }

  std::string spec() const { return (folder_ / "sweep.yaml").string(); }
  fs::path model_file(const char* extension) const {
    for (const auto& entry : fs::directory_iterator(folder_ / "model"))
      if (entry.path().extension() == extension) return entry.path();
    throw std::runtime_error("the demo model has changed");
  }
  /// Changes one byte of a file.
  static void change(const fs::path& path, std::uintmax_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int old = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(old ^ 1));
  }
  Prepared first(bool full_hash) const { return prepare(spec(), Look::AtHeaders, full_hash, std::nullopt); }
  Prepared other(const Prepared& first) const {
    return prepare(spec(), Look::AtHeaders, false, decode_choices(encode(first)));
  }

 private:
  fs::path folder_;
};

TEST_F(Prepare, WhatRankZeroToldGivesTheOthersItsPlan) {
  for (const bool full_hash : {false, true}) {
    const Prepared told = first(full_hash), heard = other(told);
    EXPECT_EQ(encode(heard), encode(told));
    EXPECT_EQ(heard.plan.fingerprint, told.plan.fingerprint);
    EXPECT_EQ(heard.facts[0].identity, told.facts[0].identity);
  }
  EXPECT_NE(first(true).facts[0].identity, first(false).facts[0].identity);
  EXPECT_EQ(first(true).fingerprints, first(false).fingerprints);
}

TEST_F(Prepare, OnlyRankZeroReadsAllOfACheckpoint) {
  const fs::path weights = model_file(".safetensors");
  const Prepared told = first(true);
  change(weights, fs::file_size(weights) / 2);  // between the samples
  EXPECT_NE(first(true).facts[0].identity, told.facts[0].identity);
  EXPECT_EQ(encode(other(told)), encode(told));
}

TEST_F(Prepare, RanksThatSeeOtherFilesSayOtherBytes) {
  const fs::path weights = model_file(".safetensors");
  for (const bool full_hash : {false, true}) {
    const Prepared told = first(full_hash);
    change(weights, fs::file_size(weights) - 1);  // the last sample
    EXPECT_NE(encode(other(told)), encode(told)) << full_hash;
  }
}

}  // namespace
}  // namespace steergrid
