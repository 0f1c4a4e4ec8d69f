// The inner loops for what every x86-64 processor has (SSE2); CMakeLists.txt sets this file's compiler flags.
// Called only through the table, and only where the processor has the instructions (vector_loops.cpp).
namespace steergrid {
namespace {
typedef float Native __attribute__((vector_size(16)));
}  // namespace
}  // namespace steergrid

#include "kernels/cpu/loops_body.h"

namespace steergrid {

constinit const VectorLoops kLoopsBaseline = loops_named("baseline");

}  // namespace steergrid
