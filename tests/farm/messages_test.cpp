#include "farm/messages.h"

#include <gtest/gtest.h>

#include <random>

namespace steergrid::message {
namespace {

std::vector<std::byte> some_bytes(std::size_t n) {
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(i * 37);
  return bytes;
}

std::vector<Any> one_of_each() {
  return {Request{3, 2},
          Work{{{17, RunMode::BaselineOnly, 4}, {18, RunMode::Whole, 1}}, {{5, some_bytes(100)}, {6, {}}}},
          Done{9, 0xfedcba9876543210u, 3, -1, 1'700'000'000'000'000'000, some_bytes(1000)},
          Failed{2, "item 3: the answer letter is not one token"},
          Broken{{ExitCode::BadInput, "tensor missing"}},
          Stage{1},
          Stop{{ExitCode::RunAgain, "stopped on request"}}};
}

TEST(Messages, ComeBackAsTheyWere) {
  for (const Any& m : one_of_each()) {
    const auto bytes = encode(m);
    const Any back = decode(bytes);
    EXPECT_EQ(back.index(), m.index());
    EXPECT_EQ(encode(back), bytes);
  }
}

TEST(Messages, KeepEveryField) {
  const auto all = one_of_each();
  const auto work = std::get<Work>(decode(encode(all[1])));
  ASSERT_EQ(work.orders.size(), 2u);
  EXPECT_EQ(work.orders[0].unit, 17);
  EXPECT_EQ(work.orders[0].mode, RunMode::BaselineOnly);
  EXPECT_EQ(work.orders[0].attempt, 4u);
  ASSERT_EQ(work.parcels.size(), 2u);
  EXPECT_EQ(work.parcels[0].key, 5);
  EXPECT_EQ(work.parcels[0].bytes, some_bytes(100));
  const auto done = std::get<Done>(decode(encode(all[2])));
  EXPECT_EQ(done.crc, 0xfedcba9876543210u);
  EXPECT_EQ(done.started, -1);
  EXPECT_EQ(done.finished, 1'700'000'000'000'000'000);
  EXPECT_EQ(done.bytes, some_bytes(1000));
  const auto stop = std::get<Stop>(decode(encode(all[6])));
  EXPECT_EQ(stop.why.code, ExitCode::RunAgain);
  EXPECT_EQ(stop.why.sentence, "stopped on request");
}

TEST(Messages, CutShortAnywhereAreErrors) {
  for (const Any& m : one_of_each()) {
    const auto bytes = encode(m);
    for (std::size_t n = 0; n < bytes.size(); ++n)
      ASSERT_THROW(decode(std::span(bytes).first(n)), Error) << "kind " << m.index() << " at " << n;
  }
}

TEST(Messages, WithBytesLeftOverAreErrors) {
  for (const Any& m : one_of_each()) {
    auto bytes = encode(m);
    bytes.push_back(std::byte{0});
    EXPECT_THROW(decode(bytes), Error);
  }
}

TEST(Messages, OfAnotherVersionOrKindAreErrors) {
  auto bytes = encode(Stage{1});
  bytes[2] = std::byte{99};
  EXPECT_THROW(decode(bytes), Error);
  bytes = encode(Stage{1});
  bytes[3] = std::byte{7};
  EXPECT_THROW(decode(bytes), Error);
}

TEST(Messages, RandomGarbageNeverCrashesNorAllocatesBeyondItsSize) {
  std::mt19937 random(1);
  for (int i = 0; i < 200'000; ++i) {
    std::vector<std::byte> bytes(random() % 64);
    for (auto& b : bytes) b = static_cast<std::byte>(random());
    if (bytes.size() >= 4 && i % 4 != 0) {
      bytes[0] = std::byte{'S'};
      bytes[1] = std::byte{'G'};
      bytes[2] = std::byte{1};
      bytes[3] = static_cast<std::byte>(random() % 8);
    }
    try {
      decode(bytes);
    } catch (const Error&) {
    }
  }
}

TEST(Messages, WithOneByteChangedNeverCrash) {
  for (const Any& m : one_of_each()) {
    const auto bytes = encode(m);
    for (std::size_t at = 0; at < bytes.size(); ++at)
      for (const int flip : {1, 128, 255}) {
        auto changed = bytes;
        changed[at] ^= static_cast<std::byte>(flip);
        try {
          decode(changed);
        } catch (const Error&) {
        }
      }
  }
}

}  // namespace
}  // namespace steergrid::message
