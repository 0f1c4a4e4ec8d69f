// The inner loops for AVX2; CMakeLists.txt sets this file's compiler flags.
// Called only through the table, and only where the processor has the instructions (vector_loops.cpp).
namespace steergrid {
namespace {
typedef float Native __attribute__((vector_size(32)));
}  // namespace
}  // namespace steergrid

#include "kernels/cpu/loops_body.h"

namespace steergrid {

constinit const VectorLoops kLoopsAvx2 = loops_named("avx2");

}  // namespace steergrid
