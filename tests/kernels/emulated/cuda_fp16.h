// Half precision of the emulated GPU (cuda_runtime_api.h), by the project's own conversions.
#pragma once

#include "base/dtype.h"
#include "cuda_runtime_api.h"

struct __half {
  std::uint16_t bits;
};
inline float __half2float(__half v) { return steergrid::float16_to_float(v.bits); }
inline __half __float2half_rn(float v) { return {steergrid::float_to_float16(v)}; }
