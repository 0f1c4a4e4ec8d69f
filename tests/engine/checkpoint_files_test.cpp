// Malformed safetensors files and indices: an error that names what is wrong, never a crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include "engine/checkpoint.h"
#include "error_of.h"
#include "made_up_model.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string little_endian(std::uint64_t n) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(n >> (8 * i));
  return bytes;
}

std::string safetensors(const std::string& header, std::size_t data_bytes) {
  return little_endian(header.size()) + header + std::string(data_bytes, '\x3f');
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

std::string error_of_file(const std::string& bytes) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", bytes);
  return error_of([&] { Checkpoint checkpoint(folder.path()); });
}

std::string error_of_header(const std::string& header, std::size_t data_bytes) {
  return error_of_file(safetensors(header, data_bytes));
}

TEST(SafetensorsFile, OfTwoTensorsIsRead) {
  const TemporaryFolder folder;
  folder.write(
      "model.safetensors",
      safetensors("{\"__metadata__\":{\"format\":\"pt\"},\"b\":" + tensor("I64", "[1]", "[12,20]") +
                      ",\"a\":" + tensor("F32", "[3]", "[0,12]") + ",\"none\":" + tensor("F16", "[0,4]", "[12,12]") +
                      ",\"scalar\":" + tensor("F32", "[]", "[20,24]") + "}  ",
                  24));
  const Checkpoint checkpoint(folder.path());
  EXPECT_EQ(checkpoint.tensors().size(), 4u);
  EXPECT_EQ(checkpoint.matrix("a", 1, 3).rows, 1);
  EXPECT_THAT(error_of([&] { checkpoint.matrix("b", 1, 1); }), AllOf(HasSubstr("'b'"), HasSubstr("found I64")));
}

TEST(SafetensorsFile, WithAHeaderThatIsNotInTheFileIsRefused) {
  EXPECT_THAT(error_of_file(""), HasSubstr("found 0 bytes"));
  EXPECT_THAT(error_of_file("1234567"), HasSubstr("found 7 bytes"));
  EXPECT_THAT(error_of_file(little_endian(3) + "{}"), HasSubstr("the header says 3 bytes, the file has 2"));
  EXPECT_THAT(error_of_file(little_endian(100000001) + "{}"), HasSubstr("at most 100000000"));
  EXPECT_THAT(error_of_file(little_endian(~std::uint64_t{0}) + "{}"), HasSubstr("at most 100000000"));
  EXPECT_THAT(error_of_file(std::string(100, 'x')), HasSubstr("is this a safetensors file?"));
}

TEST(SafetensorsFile, WithAHeaderThatIsNotItsJsonIsRefused) {
  for (const char* header : {"", "{", "[]", "7", "{\"a\":}", "{\"a\":1}", "{\"a\":{}}", "{\"a\":[]}", "{\"a\":null}",
                             "\xff", "{\"\xc3\x28\":1}", "{} {}"})
    EXPECT_THAT(error_of_header(header, 4), HasSubstr("model.safetensors: ")) << header;
  EXPECT_THAT(error_of_header("{\"a\":" + std::string(5000000, '[') + "}", 0), HasSubstr("deeper than 4"));
  const std::string a = tensor("F32", "[1]", "[0,4]");
  EXPECT_THAT(error_of_header("{\"a\":" + a + ",\"a\":" + a + "}", 4), HasSubstr("'a' stands there twice"));
}

TEST(SafetensorsFile, WithAnImpossibleTensorIsRefused) {
  const std::pair<std::string, const char*> cases[] = {
      {tensor("F32", "[2]", "[0,4]"), "expected 8 bytes for F32 [2], found 4"},
      {tensor("BF16", "[2]", "[0,8]"), "expected 4 bytes for BF16 [2], found 8"},
      {tensor("F32", "[3]", "[0,12]"), "needs 12 bytes of data (up to the end of tensor 'w'), found 8"},
      {tensor("F32", "[2]", "[8,16]"), "needs 16 bytes"},
      {tensor("F32", "[2]", "[8,0]"), "0 <= begin <= end"},
      {tensor("F32", "[2]", "[-8,0]"), "0 <= begin <= end"},
      {tensor("F32", "[2]", "[0,8,8]"), "0 <= begin <= end"},
      {tensor("F32", "[2]", "[0.0,8.0]"), "0 <= begin <= end"},
      {tensor("F32", "[2]", "[0,18446744073709551615]"), "0 <= begin <= end"},
      {tensor("F32", "[2]", "[9223372036854775800,9223372036854775807]"), "truncated"},
      {tensor("F32", "[2]", "{}"), "0 <= begin <= end"},
      {tensor("F32", "[-2]", "[0,8]"), "a shape"},
      {tensor("F32", "[\"2\"]", "[0,8]"), "a shape"},
      {tensor("F32", "2", "[0,8]"), "a shape"},
      {tensor("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), "a shape"},
      {tensor("F32", "[4294967296,4294967296]", "[0,8]"), "64 bits"},
      {tensor("F32", "[9223372036854775807]", "[0,8]"), "64 bits"},
      {tensor("F32", "[18446744073709551616]", "[0,8]"), "a shape"},
      {tensor("F32", "[1]", "[0,4]"), "end at byte 4 with tensor 'w', found 8 bytes"},
      {tensor("F32", "[1]", "[4,8]"), "there is a hole"},
      {"{\"dtype\":3,\"shape\":[2],\"data_offsets\":[0,8]}", "a dtype"},
      {"{\"dtype\":\"F32\",\"shape\":[2]}", "an object with dtype, shape and data_offsets"},
  };
  for (const auto& [entry, expected] : cases)
    EXPECT_THAT(error_of_header("{\"w\":" + entry + "}", 8), AllOf(HasSubstr("'w'"), HasSubstr(expected))) << entry;
}

TEST(SafetensorsFile, WhoseTensorsOverlapIsRefused) {
  const std::string error =
      error_of_header("{\"a\":" + tensor("F32", "[2]", "[0,8]") + ",\"b\":" + tensor("F32", "[2]", "[4,12]") + "}", 12);
  EXPECT_THAT(error, AllOf(HasSubstr("'b'"), HasSubstr("the end of a"), HasSubstr("overlap")));
}

TEST(SafetensorsFile, ThatIsTruncatedSaysThatAndNothingElse) {
  const TemporaryFolder folder;
  constexpr ModelShape kShape{
      .n_layers = 1, .hidden = 8, .n_heads = 2, .n_kv_heads = 1, .head_size = 4, .feed_forward = 12, .vocabulary = 9};
  write_model(folder.path(), kShape, DType::Float32, 1);
  std::filesystem::resize_file(folder / "model.safetensors",
                               std::filesystem::file_size(folder / "model.safetensors") - 300);
  const std::string error = error_of([&] { Checkpoint checkpoint(folder.path()); });
  EXPECT_THAT(error, HasSubstr("model.safetensors: truncated: its header needs "));
  EXPECT_LT(error.size(), folder.path().size() + 160);
}

TEST(SafetensorsFile, ThatIsAPointerOfGitLfsIsCalledOne) {
  EXPECT_THAT(error_of_file("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"),
              HasSubstr("run `git lfs pull`"));
}

TEST(SafetensorsFile, WithAnUnknownDtypeIsListedButNotRead) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", safetensors("{\"w\":" + tensor("F4_NEW", "[2,8]", "[0,8]") + "}", 8));
  const Checkpoint checkpoint(folder.path());
  EXPECT_THAT(error_of([&] { checkpoint.matrix("w", 2, 8); }),
              AllOf(HasSubstr("'w'"), HasSubstr("expected dtype F32, F16 or BF16, found F4_NEW")));
}

class Index : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& entries) { folder.write(name, safetensors(entries, 4)); }
  void write_index(const std::string& map) {
    folder.write("model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":" + map + "}");
  }
  std::string error() {
    return error_of([&] { Checkpoint checkpoint(folder.path()); });
  }
  TemporaryFolder folder;
  const std::string one = tensor("F32", "[1]", "[0,4]");
};

TEST_F(Index, ThatNamesAShardOutsideTheFolderIsRefused) {
  for (const char* shard : {"\"../x.safetensors\"", "\"/etc/passwd\"", "\"a/b.safetensors\"", "\"..\"", "\".\"", "\"\"",
                            "3", "null", "\"a\\u0000b\"", "\"..\\\\x\""}) {
    write_index("{\"w\":" + std::string(shard) + "}");
    EXPECT_THAT(error(), AllOf(HasSubstr("'w'"), HasSubstr("expected the name of a file in the folder"))) << shard;
  }
}

TEST_F(Index, ThatIsNotAMapOfTensorsIsRefused) {
  for (const char* map : {"[]", "{}", "null", "\"x\""}) {
    write_index(map);
    EXPECT_THAT(error(), HasSubstr("weight_map: expected an object")) << map;
  }
  folder.write("model.safetensors.index.json", "{}");
  EXPECT_THAT(error(), HasSubstr("weight_map"));
  folder.write("model.safetensors.index.json", "{\"weight_map\":" + std::string(100000, '['));
  EXPECT_THAT(error(), HasSubstr("deeper than"));
}

TEST_F(Index, ThatNamesAMissingShardOrTensorIsRefused) {
  write_index(R"({"w":"a.safetensors","v":"a.safetensors"})");
  EXPECT_THAT(error(), HasSubstr("a.safetensors"));
  write("a.safetensors", "{\"w\":" + one + "}");
  EXPECT_THAT(error(), HasSubstr("tensor 'v': the index says a.safetensors, but it is not there"));
}

TEST_F(Index, OfShardsThatHoldATensorTwiceIsRefused) {
  write_index(R"({"w":"a.safetensors","v":"b.safetensors"})");
  write("a.safetensors", "{\"w\":" + one + "}");
  folder.write("b.safetensors", safetensors("{\"v\":" + one + ",\"w\":" + tensor("F32", "[1]", "[4,8]") + "}", 8));
  EXPECT_THAT(error(), AllOf(HasSubstr("'w': expected once"), HasSubstr("b.safetensors")));
}

TEST_F(Index, IsLookedForOnlyWhereThereIsNoSingleFile) {
  write_index(R"({"w":"absent.safetensors"})");
  write("model.safetensors", "{\"w\":" + one + "}");
  EXPECT_EQ(error(), "");
}

TEST(CheckpointFolder, WithoutSafetensorsSaysWhatItLookedFor) {
  const TemporaryFolder folder;
  const auto error = [&] { return error_of([&] { Checkpoint c(folder.path()); }); };
  EXPECT_THAT(error(), HasSubstr("model.safetensors.index.json, found an empty folder"));
  folder.write("consolidated.00.pth", "");
  folder.write("params.json", "");
  EXPECT_THAT(error(), HasSubstr("found neither; there are consolidated.00.pth, params.json"));
  folder.write("model-00001-of-00002.safetensors", "");
  EXPECT_THAT(error(), HasSubstr("found 1 file(s) such as model-00001-of-00002.safetensors without their index"));
  std::filesystem::create_symlink("/nowhere/blob", folder / "model.safetensors");
  EXPECT_THAT(error(), HasSubstr("found the link model.safetensors to /nowhere/blob, which is not there"));
  std::filesystem::remove(folder / "model.safetensors");
  folder.write("pytorch_model.bin", "");
  EXPECT_THAT(error(), HasSubstr("safe_serialization"));
  EXPECT_THAT(error_of([&] { Checkpoint c(folder / "absent"); }), HasSubstr("no such folder"));
}

TEST(SafetensorsFile, WithRandomDamageIsReadOrRefusedButNeverCrashes) {
  const TemporaryFolder folder;
  const std::string header = "{\"__metadata__\":{\"a\":\"b\"},\"w\":" + tensor("BF16", "[2,3]", "[0,12]") +
                             ",\"v\":" + tensor("F32", "[10]", "[12,52]") + "}";
  const std::string good = safetensors(header, 52);
  constexpr std::string_view kLikely = "0123456789-[]{}\",:eE.";
  std::mt19937_64 random(7);
  int read = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string bytes = good;
    for (std::uint64_t n = random() % 3 + 1; n > 0; --n) {
      char& at = bytes[random() % (8 + header.size())];
      at = random() % 4 == 0 ? static_cast<char>(random()) : kLikely[random() % kLikely.size()];
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    folder.write("model.safetensors", bytes);
    unsigned sum = 0;  // every byte of what was accepted can be read
    read += error_of([&] {
              const Checkpoint checkpoint(folder.path());
              for (const auto& [name, entry] : checkpoint.tensors())
                for (const std::byte b : entry.bytes) sum += std::to_integer<unsigned>(b);
            }).empty();
  }
  EXPECT_GT(read, 20);
  EXPECT_LT(read, 3900);
}

}  // namespace
}  // namespace steergrid
