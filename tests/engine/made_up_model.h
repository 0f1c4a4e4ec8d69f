// A Llama checkpoint folder with made-up weights, for tests and benchmarks: config.json and safetensors, no tokenizer.
//
// A weight is a hash of (seed, tensor, index), cut to a signed byte and scaled by a power of two: exact in float32,
// float16 and bfloat16, so all three dtypes hold the same numbers, however many shards there are. The scales keep the
// residual stream near 1. tests/golden/made_up_weights.py makes the same weights; change both or neither.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/model_shape.h"

namespace steergrid {

/// Writes config.json (rms_norm_eps 1e-5, rope_theta 10000, 512 positions) and model.safetensors, or `shards` shards
/// with their index, into the existing `folder`. Data begins at an odd byte, as the format allows.
void write_model(const std::string& folder, const ModelShape& shape, DType dtype, std::uint64_t seed, int shards = 1);

/// The values of one tensor [rows, cols] (a vector has one row), row by row.
std::vector<float> made_up_tensor(std::uint64_t seed, std::string_view name, std::int64_t rows, std::int64_t cols);

}  // namespace steergrid
