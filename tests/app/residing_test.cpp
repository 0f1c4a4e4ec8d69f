// A small model in rooms of many sizes.
#include "app/residing.h"

#include <gtest/gtest.h>

#include <vector>

namespace steergrid {
namespace {

constexpr std::int64_t kMB = 1'000'000;

/// 100 million parameters, 200 MB of weights.
ModelFacts model() {
  return {
      .shape = {24, 512, 8, 8, 64, 2048, 8000, false}, .dtype = DType::Float32, .tensor_parallel = 1, .identity = {}};
}

Room room(std::int64_t bytes, std::int64_t rows_wanted = 0) {
  Room room{{}, rows_wanted, bytes};
  room.options.rows = rows_wanted > 0 ? rows_wanted : 16384;
  room.options.chunk_rows = 1024;
  return room;
}

TEST(Residing, WeightsStayWhereTheyFitAndStreamWhereTheyDoNot) {
  EXPECT_EQ(residing_of(model(), WeightsIn::Auto, room(4000 * kMB)).streamed, 0);
  EXPECT_EQ(residing_of(model(), WeightsIn::Auto, room(300 * kMB)).streamed, 1);
  EXPECT_EQ(residing_of(model(), WeightsIn::Stream, room(4000 * kMB)).streamed, 1);
  EXPECT_EQ(residing_of(model(), WeightsIn::Memory, room(300 * kMB)).streamed, 0);
}

TEST(Residing, RowsThatWereAskedForAreTheMostInAPass) {
  for (const auto where : {WeightsIn::Memory, WeightsIn::Stream})
    EXPECT_EQ(residing_of(model(), where, room(4000 * kMB, 500)).rows().in_pass, 500);
}

TEST(Residing, WithoutThemAStreamedPassHasAsManyAsMemoryHolds) {
  const auto streamed = [](std::int64_t bytes) { return residing_of(model(), WeightsIn::Stream, room(bytes)).rows(); };
  EXPECT_GT(streamed(4000 * kMB).in_pass, 16384);
  EXPECT_GT(streamed(4000 * kMB).in_pass, streamed(2000 * kMB).in_pass);
  EXPECT_EQ(residing_of(model(), WeightsIn::Memory, room(4000 * kMB)).rows().in_pass, 16384);
}

TEST(Residing, TheMostCarefulMemberDecidesForEachKindOfRows) {
  const std::vector<Residing> all{{0, {900, 90}, {400, 80}}, {1, {800, 100}, {500, 70}}, {0, {1000, 95}, {600, 75}}};
  const Residing agreed = most_careful(all);
  EXPECT_EQ(agreed.streamed, 1);
  EXPECT_EQ(agreed.if_resident.in_pass, 800);
  EXPECT_EQ(agreed.if_resident.in_chunk, 90);
  EXPECT_EQ(agreed.rows().in_pass, 400);
  EXPECT_EQ(agreed.rows().in_chunk, 70);
}

TEST(Residing, MembersWithRoomForAllKeepItResident) {
  const std::vector<Residing> all{{0, {900, 90}, {400, 80}}, {0, {800, 100}, {500, 70}}};
  EXPECT_EQ(most_careful(all).streamed, 0);
  EXPECT_EQ(most_careful(all).rows().in_pass, 800);
}

}  // namespace
}  // namespace steergrid
