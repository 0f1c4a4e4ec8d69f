// An emulated GPU, for tests alone: what kernels/cuda uses of the CUDA runtime and of CUDA C++, on the CPU, so that the
// kernels' own lines run where there is no GPU. It stands in for the toolkit's header of the same name.
//
// Faithful in what finds mistakes: every thread of a block runs on its own stack and stops at barriers and shuffles
// (a barrier that some threads never reach is an error, the order of warps changes from launch to launch); work is
// queued and runs when somebody waits for it; memory of the device can only be touched by what runs there, is full of
// NaN when fresh, and what is written behind an allocation shows; launch limits are those of sm_80. Not faithful in
// speed, in the rounding of tensor cores and of exp(double), and it has no cuBLASLt (gemm.cpp).
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace steergrid::emulated {

struct Stream;
struct Event;
/// What one lane shows the others of its warp.
struct Shown {
  std::uint32_t words[6];
};

/// Queues a kernel; `body` runs once a thread.
void launch(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes, std::size_t allowed_shared,
            Stream* stream, std::function<void()> body);
void wait_block();
/// Every lane of the warp shows `mine` and sees all 32; waits for the whole warp.
const Shown* show(const Shown& mine);
void* shared_memory();
std::size_t& allowed_shared(const void* kernel);
/// Whether allocations fail until the pool is trimmed: what was freed lies in pieces.
bool& in_pieces();

}  // namespace steergrid::emulated

inline void __syncthreads() { steergrid::emulated::wait_block(); }
inline void __syncwarp() { steergrid::emulated::show({}); }
inline unsigned lane_of_emulated() { return (threadIdx.x + blockDim.x * threadIdx.y) % 32; }
template <class T>
T __shfl_sync(unsigned, T value, int from) {
  static_assert(sizeof(T) == 4);
  const auto* all = steergrid::emulated::show({{std::bit_cast<std::uint32_t>(value)}});
  return std::bit_cast<T>(all[from].words[0]);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int step) {
  return __shfl_sync(mask, value, static_cast<int>(lane_of_emulated()) ^ step);
}
inline unsigned __ballot_sync(unsigned, bool value) {
  const auto* all = steergrid::emulated::show({{value}});
  unsigned found = 0;
  for (unsigned lane = 0; lane < 32; ++lane) found |= all[lane].words[0] << lane;
  return found;
}
inline bool __any_sync(unsigned mask, bool value) { return __ballot_sync(mask, value) != 0; }
inline int __reduce_max_sync(unsigned, int value) {
  const auto* all = steergrid::emulated::show({{static_cast<std::uint32_t>(value)}});
  for (unsigned lane = 0; lane < 32; ++lane) value = std::max(value, static_cast<int>(all[lane].words[0]));
  return value;
}

inline std::uint32_t __float_as_uint(float v) { return std::bit_cast<std::uint32_t>(v); }
inline float __expf(float x) { return std::exp(x); }
inline float __uint_as_float(std::uint32_t v) { return std::bit_cast<float>(v); }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a < b ? b : a; }
using std::isfinite;
using std::isnan;

// The runtime: one device.
using cudaStream_t = steergrid::emulated::Stream*;
using cudaEvent_t = steergrid::emulated::Event*;
using cudaMemPool_t = int*;
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorECCUncorrectable = 214,
  cudaErrorNvlinkUncorrectable = 220,
  cudaErrorContained = 226,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchTimeout = 702,
  cudaErrorAssert = 710,
  cudaErrorHardwareStackError = 714,
  cudaErrorIllegalInstruction = 715,
  cudaErrorMisalignedAddress = 716,
  cudaErrorInvalidAddressSpace = 717,
  cudaErrorInvalidPc = 718,
  cudaErrorLaunchFailure = 719,
  cudaErrorTensorMemoryLeak = 721,
  cudaErrorMpsClientTerminated = 810,
  cudaErrorExternalDevice = 911,
  cudaErrorUnknown = 999,
  cudaErrorNoDevice = 100
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4, cudaMemPoolAttrUsedMemHigh = 8 };
struct cudaDeviceProp {
  char name[256];
  struct {
    char bytes[16];
  } uuid;
  std::size_t totalGlobalMem;
  int major, minor, multiProcessorCount;
};
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;

#define CUDART_VERSION 13000
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t status);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr what, void* value);
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr what, void* value);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, std::size_t keep);
cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream);
cudaError_t cudaMallocHost(void** memory, std::size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t stream);
