// Only where the CUDA backend is not built.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/backend.h"

namespace steergrid::testing {
namespace {

TEST(CudaBackend, IsAbsentWithASentenceThatSaysHowToGetIt) {
  try {
    make_cuda_backend(DType::BFloat16, 0);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("CUDA"));
    EXPECT_EQ(e.code(), ExitCode::BadInput);
  }
}

TEST(CudaBackend, OfABuildWithoutItSeesNoGpu) { EXPECT_TRUE(visible_gpus().empty()); }

}  // namespace
}  // namespace steergrid::testing
