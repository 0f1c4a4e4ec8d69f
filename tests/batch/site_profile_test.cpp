// Site profiles: what is read, and what is said of a wrong one.
#include "batch/site_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace steergrid {
namespace {

using testing::HasSubstr;

SiteProfile read(const std::string& text) {
  const auto file = std::filesystem::temp_directory_path() / ("steergrid_site_" + std::to_string(::getpid()) + ".yaml");
  std::ofstream(file) << text;
  struct Remove {
    std::filesystem::path file;
    ~Remove() { std::filesystem::remove(file); }
  } const remove{file};
  return read_site_profile(file.string());
}

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::BadInput);
    return e.what();
  }
  ADD_FAILURE() << "accepted: " << text;
  return "";
}

TEST(SiteProfile, TheExampleNamesEveryKeyAndIsRead) {
  const SiteProfile site = read_site_profile(std::string(STEERGRID_SOURCE_DIR) + "/slurm/site.example.yaml");
  EXPECT_GT(site.gpus_per_node, 0);
  EXPECT_FALSE(site.partition.empty());
  EXPECT_FALSE(site.account.empty());
  EXPECT_FALSE(site.qos.empty());
  EXPECT_FALSE(site.constraint.empty());
  EXPECT_FALSE(site.gres.empty());
  EXPECT_FALSE(site.modules.empty());
  EXPECT_FALSE(site.environment.empty());
  EXPECT_FALSE(site.scratch.empty());
}

TEST(SiteProfile, ReadsWhatIsThereAndKeepsDefaults) {
  const SiteProfile site = read(
      "partition: gpu\ngpus_per_node: 4\ngpu: { memory: 40, tflops: 120 }\nmax_time: 1-12:00:00\n"
      "environment: { NCCL_SOCKET_IFNAME: ib0 }\n");
  EXPECT_EQ(site.partition, "gpu");
  EXPECT_EQ(site.gpu_memory, 40);
  EXPECT_EQ(site.gpu_tflops, 120);
  EXPECT_EQ(site.max_seconds, 36 * 3600);
  EXPECT_EQ(site.launcher, "srun --mpi=pmix");
  ASSERT_EQ(site.environment.size(), 1u);
  EXPECT_EQ(site.environment[0].second, "ib0");
}

TEST(SiteProfile, SaysWhereAnUnknownKeyIsAndWhatWasMeant) {
  const std::string error = error_of("partition: gpu\ngpus_per_nod: 4\n");
  EXPECT_THAT(error, HasSubstr(":2:1: gpus_per_nod"));
  EXPECT_THAT(error, HasSubstr("did you mean 'gpus_per_node'?"));
}

TEST(SiteProfile, TellsAllProblemsAtOnce) {
  const std::string error = error_of(
      "partition: [a]\ngpus_per_node: many\ngpu: { memory: -1 }\nmax_time: 24:00\n"
      "memory_per_node: 1.5\ndisk_gbps: 0\n");
  for (const char* key :
       {":1:", "partition", ":2:", "gpus_per_node", "gpu.memory", "max_time", "memory_per_node", "disk_gbps"})
    EXPECT_THAT(error, HasSubstr(key));
}

TEST(SiteProfile, RefusesWhatIsNoSlurmWord) {
  for (const char* word : {"\"a b\"", "\"a;rm\"", "\"$(id)\"", "\"a\\nb\"", "\"a'b\"", "\"#\""})
    EXPECT_THAT(error_of(std::string("account: ") + word + "\n"), HasSubstr("account: expected a word of letters"));
}

TEST(SiteProfile, RefusesVariablesThatAreNone) {
  EXPECT_THAT(error_of("environment: { \"A B\": 1 }\n"), HasSubstr("name of an environment variable"));
  EXPECT_THAT(error_of("environment: { A: \"x\\ny\" }\n"), HasSubstr("on one line"));
}

TEST(SiteProfile, RefusesAnEmptyOrMissingFile) {
  EXPECT_THAT(error_of(""), HasSubstr("expected a site profile"));
  EXPECT_THROW(read_site_profile("/nowhere/site.yaml"), Error);
}

TEST(Durations, AreReadAsSlurmWritesThem) {
  EXPECT_EQ(seconds_of("90"), 5400);
  EXPECT_EQ(seconds_of("2:30:00"), 9000);
  EXPECT_EQ(seconds_of("1-00:00:30"), 86430);
  for (const char* text :
       {"", "0", "-5", "24:00", "1-", "1-5", "1:60:00", "x", "1:2:3:4", "99999999999999999999", "9999999-00:00:00"})
    EXPECT_EQ(seconds_of(text), std::nullopt) << text;
}

}  // namespace
}  // namespace steergrid
