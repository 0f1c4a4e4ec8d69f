// bfloat16 of the emulated GPU (cuda_runtime_api.h), by the project's own conversions.
#pragma once

#include "base/dtype.h"
#include "cuda_runtime_api.h"

struct __nv_bfloat16 {
  std::uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 v) { return steergrid::bfloat16_to_float(v.bits); }
inline __nv_bfloat16 __float2bfloat16_rn(float v) { return {steergrid::float_to_bfloat16(v)}; }
