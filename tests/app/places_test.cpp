// Launches made up by hand: who computes on which GPU, and what is said of it.
#include "app/places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace steergrid {
namespace {

using testing::HasSubstr;

Place coordinator(const char* host) {
  Place place;
  put(place.host, host);
  return place;
}

Place worker(const char* host, int gpus, const char* uuid = "", std::int64_t memory = 0, const char* name = "H100") {
  Place place = coordinator(host);
  place.works = 1;
  place.gpus = gpus;
  put(place.gpu, uuid);
  if (*uuid != '\0') put(place.name, name);
  place.memory = memory;
  return place;
}

TEST(Places, GpusAreTakenWhereEveryWorkerSeesOne) {
  const std::vector<Place> all{coordinator("n1"), worker("n1", 2), worker("n2", 1)};
  EXPECT_TRUE(on_gpus(all, BackendChoice::Auto));
  EXPECT_TRUE(on_gpus(all, BackendChoice::Cuda));
  EXPECT_FALSE(on_gpus(all, BackendChoice::Cpu));
}

TEST(Places, CpusAreTakenWhereNoWorkerSeesAGpuUnlessTheyAreAskedFor) {
  const std::vector<Place> none{coordinator("n1"), worker("n1", 0), worker("n2", 0)};
  EXPECT_FALSE(on_gpus(none, BackendChoice::Auto));
  EXPECT_FALSE(on_gpus(none, BackendChoice::Cpu));
  EXPECT_THROW(on_gpus(none, BackendChoice::Cuda), Error);
}

TEST(Places, AWorkerWithoutAGpuAmongOthersIsNamed) {
  const std::vector<Place> mixed{coordinator("n1"), worker("n1", 2), worker("n2", 0)};
  for (const auto choice : {BackendChoice::Auto, BackendChoice::Cuda}) {
    try {
      on_gpus(mixed, choice);
      ADD_FAILURE() << "expected an error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::BadInput);
      EXPECT_THAT(e.what(), HasSubstr("rank 2 on n2 sees no GPU"));
    }
  }
  EXPECT_FALSE(on_gpus(mixed, BackendChoice::Cpu));
}

TEST(Places, SharersAreWorkersWithOneGpuOnOneHost) {
  const std::vector<Place> apart{coordinator("n1"), worker("n1", 2, "a"), worker("n1", 2, "b"), worker("n2", 1, "a")};
  EXPECT_EQ(sharers(apart), std::nullopt);
  const std::vector<Place> shared{coordinator("n1"), worker("n1", 1, "a"), worker("n2", 1, "b"), worker("n2", 1, "b")};
  EXPECT_EQ(sharers(shared), std::pair(std::size_t{2}, std::size_t{3}));
}

TEST(Places, TheLeastMemoryIsThatOfASharedGpusPart) {
  const std::vector<Place> apart{coordinator("n1"), worker("n1", 2, "a", 80), worker("n1", 2, "b", 48)};
  EXPECT_EQ(least_memory(apart), 48);
  const std::vector<Place> shared{worker("n1", 1, "a", 80), worker("n1", 1, "a", 80), worker("n2", 1, "a", 48)};
  EXPECT_EQ(least_memory(shared), 40);
}

TEST(Places, GpusAreCountedByName) {
  const std::vector<Place> all{coordinator("n1"), worker("n1", 2, "a", 1, "H200"), worker("n1", 2, "b", 1, "H100"),
                               worker("n2", 1, "c", 1, "H200")};
  EXPECT_EQ(gpu_names(all), "2 x H200, 1 x H100");
}

TEST(Places, ASeatIsWhatIsComputedOnNotWhatCouldBeSeen) {
  EXPECT_EQ(seat_text(coordinator("n1")), "n1: coordinator");
  Place place = worker("n2", 0);
  place.worker = 1, place.workers = 2;
  EXPECT_EQ(seat_text(place), "n2: worker 1 of 2, CPUs");
  put(place.visible, "3,5");
  EXPECT_EQ(seat_text(place), "n2: worker 1 of 2, CPUs, CUDA_VISIBLE_DEVICES=3,5");
  place = worker("n2", 2, "GPU-5a1c");
  place.worker = 3, place.workers = 4, place.number = 1;
  EXPECT_EQ(seat_text(place), "n2: worker 3 of 4, GPU 1 of 2, H100, GPU-5a1c");
}

TEST(Places, WhatIsTooLongIsCut) {
  Place place;
  put(place.visible, std::string(500, '7'));
  EXPECT_EQ(std::string(place.visible.data()), std::string(191, '7'));
  put(place.visible, "0");
  EXPECT_EQ(std::string(place.visible.data()), "0");
}

}  // namespace
}  // namespace steergrid
