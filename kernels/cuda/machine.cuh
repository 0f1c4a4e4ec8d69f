// What only nvcc understands: launches, dynamic shared memory, tensor-core instructions. Every other source of
// kernels/cuda is C++ that also compiles against tests/kernels/emulated, which replaces this file and the toolkit's
// headers, so that the kernels' own lines run on a CPU and are tested where there is no GPU.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/check.h"

namespace steergrid::cuda {

/// Queues `kernel`; throws Error naming it if the launch is refused.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            cudaStream_t stream, Arguments... arguments) {
  kernel<<<grid, block, shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
  check_launch(name);
}

/// Lets `kernel` have `bytes` of dynamic shared memory; beyond 48 KiB that must be asked for.
template <class... Parameters>
void allow_shared(void (*kernel)(Parameters...), std::size_t bytes) {
  if (bytes > std::size_t{48} << 10)
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(bytes)),
          "cudaFuncSetAttribute(MaxDynamicSharedMemorySize)", __FILE__, __LINE__);
}

/// The block's dynamic shared memory, aligned to 16 bytes.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ float4 memory[];
  return reinterpret_cast<T*>(memory);
}

/// c [16, 8] += a [16, 16] * b [16, 8], fragments as mma.m16n8k16 lays them over a warp's lanes: with g = lane / 4 and
/// t = lane % 4, c holds (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1); a pairs of neighbouring columns (g, 2t), (g+8,
/// 2t), (g, 2t+8), (g+8, 2t+8); b pairs of neighbouring rows (2t, g), (2t+8, g). volatile: all lanes must get there,
/// whoever uses the result.
__device__ __forceinline__ void multiply_add(__nv_bfloat16, float (&c)[4], const std::uint32_t (&a)[4],
                                             const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void multiply_add(__half, float (&c)[4], const std::uint32_t (&a)[4],
                                             const std::uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace steergrid::cuda
