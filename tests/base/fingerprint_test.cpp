#include "base/fingerprint.h"

#include <gtest/gtest.h>
#include <unistd.h>  // getpid

#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"

namespace steergrid {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(Fingerprint, IsXxh3) {
  // Known values of XXH3_64bits; they stand in every result file.
  EXPECT_EQ(hex_of(checksum({})), "2d06800538d394c2");
  EXPECT_EQ(Fingerprint().hex(), "2d06800538d394c2");
  EXPECT_EQ(hex_of(checksum(bytes_of("a"))), "e6c632b61e964e1f");
}

TEST(Fingerprint, OfPiecesIsThatOfTheWhole) {
  const std::string text(1000, 'x');
  Fingerprint pieces;
  for (std::size_t i = 0; i < text.size(); i += 7) pieces.bytes(bytes_of(std::string_view(text).substr(i, 7)));
  EXPECT_EQ(pieces.value(), checksum(bytes_of(text)));
}

TEST(Fingerprint, TellsWhereOneTextEndsAndTheNextBegins) {
  EXPECT_NE(Fingerprint().add("ab").add("c").value(), Fingerprint().add("a").add("bc").value());
  EXPECT_NE(Fingerprint().add("").value(), Fingerprint().value());
}

TEST(Fingerprint, TellsWhereOneListEndsAndTheNextBegins) {
  const std::vector<double> one{1, 2}, two{3};
  const std::vector<double> other_one{1}, other_two{2, 3};
  EXPECT_NE(Fingerprint().add_all<double>(one).add_all<double>(two).value(),
            Fingerprint().add_all<double>(other_one).add_all<double>(other_two).value());
}

TEST(Fingerprint, TakesBothZerosForOneCoefficient) {
  EXPECT_EQ(Fingerprint().add(-0.0).value(), Fingerprint().add(0.0).value());
  EXPECT_NE(Fingerprint().add(1.0).value(), Fingerprint().add(-1.0).value());
}

TEST(Fingerprint, IsAlwaysSixteenDigits) {
  EXPECT_EQ(hex_of(0), "0000000000000000");
  EXPECT_EQ(hex_of(0xABCDEFull), "0000000000abcdef");
}

TEST(FileIdentity, IsThatOfTheContent) {
  const std::string path = testing::TempDir() + "steergrid_identity_test_" + std::to_string(::getpid());
  const std::string text(3'000'000, 'y');  // more than one buffer
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(file_identity(path), hex_of(checksum(bytes_of(text))));
  std::ofstream(path, std::ios::binary).close();
  EXPECT_EQ(file_identity(path), hex_of(checksum({})));
  std::remove(path.c_str());
}

TEST(FileIdentity, OfNothingIsAnError) {
  EXPECT_THROW(file_identity(testing::TempDir() + "steergrid_no_such_file"), Error);
}

}  // namespace
}  // namespace steergrid
