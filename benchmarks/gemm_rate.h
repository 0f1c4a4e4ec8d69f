// oneDNN's own rate for the GEMMs of a pass: what the pass's GFLOP/s are held against.
#pragma once

#include "base/dtype.h"
#include "base/model_shape.h"

namespace steergrid {

/// GFLOP/s of plain oneDNN matmuls [rows, K] x [N, K]^T over the seven shapes of a block, weighted by their FLOPs; each
/// timed for at least `seconds`, the best of three.
double onednn_block_rate(const ModelShape& shape, DType dtype, int rows, double seconds);

}  // namespace steergrid
