#include "base/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>  // getpid

#include <cstdio>
#include <fstream>
#include <string>

#include "base/error.h"

namespace steergrid {
namespace {

using testing::HasSubstr;

class MappedFiles : public testing::Test {
 protected:
  ~MappedFiles() override { std::remove(path_.c_str()); }
  void write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }
  static std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::string path_ = testing::TempDir() + "steergrid_mapped_file_test_" + std::to_string(::getpid());
};

TEST_F(MappedFiles, ShowTheirContent) {
  write("abc");
  const MappedFile file(path_);
  EXPECT_EQ(text_of(file.bytes()), "abc");
  EXPECT_EQ(file.path(), path_);
}

TEST_F(MappedFiles, MayBeEmpty) {
  write("");
  EXPECT_TRUE(MappedFile(path_).bytes().empty());
}

TEST_F(MappedFiles, KeepTheirContentWhereTheyMoveTo) {
  write("abc");
  MappedFile first(path_);
  const MappedFile second(std::move(first));
  EXPECT_EQ(text_of(second.bytes()), "abc");
}

TEST_F(MappedFiles, ReadReleasedPagesAgain) {
  const std::string text(100'000, 'z');
  write(text);
  const MappedFile file(path_);
  EXPECT_EQ(text_of(file.bytes()), text);
  file.release(file.bytes());
  file.release(file.bytes().subspan(5'000, 20'000));
  file.release(file.bytes().subspan(10, 20));  // less than a page: nothing to let go
  EXPECT_EQ(text_of(file.bytes()), text);
}

TEST_F(MappedFiles, AreRefusedWhereThereIsNoRegularFile) {
  EXPECT_THROW(MappedFile(path_ + "_none"), Error);
  try {
    MappedFile folder(testing::TempDir());
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("expected a regular file"));
    EXPECT_EQ(e.code(), ExitCode::BadInput);
  }
}

}  // namespace
}  // namespace steergrid
