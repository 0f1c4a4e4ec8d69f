// cuda::Gemm of the emulated GPU: no cuBLASLt, a plain product in stream order. What tests of it show is that operands,
// shapes and strides arrive as they should, nothing about cuBLASLt.
#include "kernels/cuda/gemm.h"

#include "base/dtype.h"

namespace steergrid::cuda {
namespace {

float value(const void* data, DType type, std::int64_t at) {
  if (type == DType::Float32) return static_cast<const float*>(data)[at];
  const std::uint16_t half = static_cast<const std::uint16_t*>(data)[at];
  return type == DType::BFloat16 ? bfloat16_to_float(half) : float16_to_float(half);
}

void put(void* data, DType type, std::int64_t at, float v) {
  if (type == DType::Float32) {
    static_cast<float*>(data)[at] = v;
  } else {
    static_cast<std::uint16_t*>(data)[at] = type == DType::BFloat16 ? float_to_bfloat16(v) : float_to_float16(v);
  }
}

}  // namespace

Gemm::Gemm(DType operand, std::shared_ptr<const Stream> stream) : operand_(operand), stream_(std::move(stream)) {}
Gemm::~Gemm() = default;

std::string Gemm::version() { return "cuBLASLt emulated"; }

bool Gemm::takes(std::int64_t k, DType out, std::int64_t out_stride) const {
  return static_cast<std::size_t>(k) * size_of(operand_) % 16 == 0 &&
         static_cast<std::size_t>(out_stride) * size_of(out) % 16 == 0;
}

void Gemm::multiply(const void* in, const void* weight, void* out, std::int64_t m, std::int64_t n, std::int64_t k,
                    DType out_dtype, std::int64_t out_stride) {
  emulated::launch("cuBLASLt", 1, 32, 0, 0, stream_->get(), [=, operand = operand_] {
    if (threadIdx.x != 0) return;
    for (std::int64_t row = 0; row < m; ++row)
      for (std::int64_t column = 0; column < n; ++column) {
        float sum = 0;
        for (std::int64_t i = 0; i < k; ++i)
          sum += value(in, operand, row * k + i) * value(weight, operand, column * k + i);
        put(out, out_dtype, row * out_stride + column, sum);
      }
  });
}

}  // namespace steergrid::cuda
