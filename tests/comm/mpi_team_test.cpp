#include "comm/mpi_team.h"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <thread>

#include "tests/comm/mpi_main.h"

namespace steergrid {
namespace {

MpiTeam everybody(std::size_t chunk = std::size_t{1} << 30) { return MpiTeam(session().world().duplicate(), chunk); }

float value(int rank, std::size_t i) { return static_cast<float>(rank) * 1000 + static_cast<float>(i) / 7; }

void expect_gathered(MpiTeam& team, std::int64_t rows, std::int64_t cols) {
  std::vector<float> mine(static_cast<std::size_t>(rows * cols));
  for (std::size_t i = 0; i < mine.size(); ++i) mine[i] = value(team.rank(), i);
  const auto parts = team.gather({mine.data(), rows, cols, DType::Float32});
  ASSERT_EQ(parts.size(), static_cast<std::size_t>(team.size()));
  for (int r = 0; r < team.size(); ++r) {
    const Matrix& part = parts[static_cast<std::size_t>(r)];
    EXPECT_EQ(part.rows, rows);
    EXPECT_EQ(part.cols, cols);
    for (std::size_t i = 0; i < mine.size(); ++i) ASSERT_EQ(part.as<float>()[i], value(r, i)) << "of rank " << r;
  }
}

TEST(MpiTeam, GatherGivesEveryMembersPartialInRankOrder) {
  MpiTeam team = everybody();
  expect_gathered(team, 5, 13);
  expect_gathered(team, 300, 257);  // larger than the buffer of the call before
  expect_gathered(team, 1, 1);
  expect_gathered(team, 0, 8);
}

TEST(MpiTeam, GatherInChunksGivesTheSameBytes) {
  MpiTeam team = everybody(1000);
  expect_gathered(team, 31, 17);
  MpiTeam tiny = everybody(1);
  expect_gathered(tiny, 2, 3);
}

TEST(MpiTeam, GatherHostJoinsBytesInRankOrder) {
  for (const std::size_t chunk : {std::size_t{1} << 30, std::size_t{7}}) {
    MpiTeam team = everybody(chunk);
    const std::vector<std::byte> mine(11, static_cast<std::byte>(team.rank() + 1));
    const auto all = team.gather_host(mine);
    ASSERT_EQ(all.size(), 11u * static_cast<std::size_t>(team.size()));
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], static_cast<std::byte>(i / 11 + 1));
  }
}

TEST(MpiTeam, BroadcastGivesTheLeadersBytesToMembersThatDoNotKnowTheSize) {
  for (const std::size_t chunk : {std::size_t{1} << 30, std::size_t{1000}}) {
    MpiTeam team = everybody(chunk);
    for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{12345}, std::size_t{4'000'000} / 100}) {
      std::vector<std::byte> bytes;
      if (team.rank() == 0) bytes.assign(size, std::byte{42});
      team.broadcast(bytes);
      EXPECT_EQ(bytes, std::vector<std::byte>(size, std::byte{42}));
    }
  }
}

TEST(MpiTeam, WaitingForABroadcastDoesNotBurnACore) {
  MpiTeam team = everybody();
  std::vector<std::byte> bytes;
  const std::clock_t before = std::clock();
  if (team.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(500));
  team.broadcast(bytes);
  EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, 0.25);
}

TEST(SoloTeam, MovesNothing) {
  SoloTeam team;
  float x = 3;
  const auto parts = team.gather({&x, 1, 1, DType::Float32});
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].data, &x);
}

}  // namespace
}  // namespace steergrid
