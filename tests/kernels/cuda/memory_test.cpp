// Memory of the CUDA backend, what it says of itself, and weights in every stored type.
#include <gmock/gmock.h>

#include "kernels/cuda/check.h"
#include "tests/kernels/cuda/gpu.h"

namespace steergrid::testing {
namespace {

using CudaMemory = Gpu;

ExitCode code_of(cudaError_t status) {
  try {
    cuda::check(status, "call", "kernels/here", 1);
  } catch (const Error& e) {
    return e.code();
  }
  return ExitCode::Ok;
}

/// Else a worker whose GPU is lost would fail all units that are left, one after another.
TEST(CudaErrors, ThatLoseTheGpuEndTheProcessAndOthersTheUnit) {
  EXPECT_EQ(code_of(cudaSuccess), ExitCode::Ok);
  for (const cudaError_t status : {cudaErrorIllegalAddress, cudaErrorLaunchFailure, cudaErrorECCUncorrectable})
    EXPECT_EQ(code_of(status), ExitCode::RunAgain);
  for (const cudaError_t status : {cudaErrorMemoryAllocation, cudaErrorInvalidValue})
    EXPECT_EQ(code_of(status), ExitCode::Failed);
}

TEST_F(CudaMemory, BringsBackWhatWasUploaded) {
  const auto on = gpu(DType::BFloat16);
  for (const std::int64_t rows : kGpuRows) {
    const auto values = random_values(rows * 7, 1);
    const Tensor t = tensor_of(*on, rows, 7, values);
    EXPECT_EQ(values_of(*on, t.view()), values);
  }
}

TEST_F(CudaMemory, LetsATensorOutliveItsBackend) {
  auto on = gpu(DType::Float32);
  Tensor t = tensor_of(*on, 3, 3, random_values(9, 1));
  on.reset();
  t = Tensor();
}

TEST_F(CudaMemory, RemembersTheMostThatWasHeld) {
  constexpr std::int64_t kBytes = std::int64_t{64} << 20;
  const auto on = gpu(DType::Float32);
  { const Tensor large = on->allocate(kBytes / 4, 1, DType::Float32); }
  const std::int64_t most = on->peak_bytes();
  EXPECT_GE(most, kBytes);
  const Tensor small = on->allocate(1, 1, DType::Float32);
  EXPECT_EQ(on->peak_bytes(), most);
}

TEST_F(CudaMemory, SaysThatMemoryIsOut) {
  const auto on = gpu(DType::Float32);
  EXPECT_THROW(on->allocate(std::int64_t{1} << 24, std::int64_t{1} << 22, DType::Float32), Error);
  const auto values = random_values(10, 1);
  EXPECT_EQ(values_of(*on, tensor_of(*on, 1, 10, values).view()), values);  // and goes on
}

TEST_F(CudaMemory, NamesWhatDecidesItsBits) {
  const auto on = gpu(DType::BFloat16);
  EXPECT_EQ(on->name(), "cuda");
  EXPECT_EQ(on->compute_dtype(), DType::BFloat16);
  EXPECT_EQ(on->activation_dtype(), DType::BFloat16);
  EXPECT_EQ(on->weight_dtype(), DType::BFloat16);
  EXPECT_THAT(on->architecture(), ::testing::HasSubstr("sm_"));
  EXPECT_THAT(on->gemm_library(), ::testing::StartsWith("cuBLASLt "));
}

TEST_F(CudaMemory, NamesTheGpusThereAre) {
  const auto gpus = visible_gpus();
  ASSERT_FALSE(gpus.empty());
  EXPECT_FALSE(gpus[0].name.empty());
  EXPECT_THAT(gpus[0].uuid, ::testing::MatchesRegex("GPU-[0-9a-f]+"));
  EXPECT_GT(gpus[0].memory, std::int64_t{1} << 30);
  EXPECT_NE(gpu(DType::Float32)->queue(), nullptr);
  EXPECT_EQ(cpu(DType::Float32)->queue(), nullptr);
}

TEST_F(CudaMemory, LoadsAColumnSliceOfACheckpointInAnyTypeLikeTheCpu) {
  constexpr std::int64_t kRows = 70, kCols = 48, kStride = 101;
  const auto wide = random_values(kRows * kStride, 3);
  for (const DType stored : kDTypes)
    for (const DType compute : kDTypes) {
      std::vector<std::byte> bytes(1 + wide.size() * size_of(stored));  // an odd address: checkpoints align nothing
      for (std::size_t i = 0; i < wide.size(); ++i) {
        const std::uint16_t half = stored == DType::BFloat16 ? float_to_bfloat16(wide[i]) : float_to_float16(wide[i]);
        const void* value = stored == DType::Float32 ? static_cast<const void*>(&wide[i]) : &half;
        std::memcpy(&bytes[1 + i * size_of(stored)], value, size_of(stored));
      }
      const HostMatrix slice{bytes.data() + 1 + 20 * size_of(stored), kRows, kCols, kStride, stored};
      const HostMatrix norm{bytes.data() + 1, 1, kCols, kCols, stored};
      std::vector<std::int32_t> ids(kRows);
      for (std::int32_t i = 0; i < kRows; ++i) ids[static_cast<std::size_t>(i)] = i;
      const auto rows_on = [&](Backend& on) {
        const Tensor table = on.load_weight(slice), x = poisoned(on, kRows, kCols);
        on.embed(ids, table, 0, x.view());
        return values_of(on, x.view());
      };
      const auto a = gpu(compute), b = cpu(compute);
      EXPECT_EQ(rows_on(*a), rows_on(*b)) << name_of(stored) << " as " << name_of(compute);
      EXPECT_EQ(values_of(*a, a->load_norm(norm).view()), values_of(*b, b->load_norm(norm).view()));
    }
}

}  // namespace
}  // namespace steergrid::testing
