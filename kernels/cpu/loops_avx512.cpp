// The inner loops for AVX-512 (F, BW, DQ, VL); CMakeLists.txt sets this file's compiler flags.
// Called only through the table, and only where the processor has the instructions (vector_loops.cpp).
namespace steergrid {
namespace {
typedef float Native __attribute__((vector_size(64)));
}  // namespace
}  // namespace steergrid

#include "kernels/cpu/loops_body.h"

namespace steergrid {

constinit const VectorLoops kLoopsAvx512 = loops_named("avx512");

}  // namespace steergrid
