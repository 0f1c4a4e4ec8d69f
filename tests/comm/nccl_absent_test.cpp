// Only where NCCL is not built.
#include <gtest/gtest.h>

#include <string_view>

#include "base/error.h"
#include "comm/nccl_team.h"

namespace steergrid {
namespace {

TEST(NcclTeam, IsAbsentWithASentenceThatSaysHowToGetIt) {
  EXPECT_FALSE(NcclTeam::available());
  SoloTeam solo;
  try {
    NcclTeam team(solo, 0);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string_view(e.what()).find("preset `cuda`"), std::string_view::npos) << e.what();
    EXPECT_EQ(e.code(), ExitCode::BadInput);
  }
}

}  // namespace
}  // namespace steergrid
