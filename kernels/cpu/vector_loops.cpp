// Picks the vector loops once a process: the widest that the processor has and that oneDNN is allowed to use, so that
// ONEDNN_MAX_CPU_ISA limits both and a limited run is what an older processor would do.
#include "kernels/cpu/vector_loops.h"

#include <oneapi/dnnl/dnnl.hpp>

namespace steergrid {

const VectorLoops& vector_loops() {
  static const VectorLoops& chosen = [&]() -> const VectorLoops& {
    // A dnnl::cpu_isa is a bit mask in which a wider set holds the bits of the narrower ones.
    const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    const auto has = [isa](dnnl::cpu_isa wanted) {
      const auto bits = static_cast<unsigned>(wanted);
      return (isa & bits) == bits;
    };
    if (has(dnnl::cpu_isa::avx512_core)) return kLoopsAvx512;
    if (has(dnnl::cpu_isa::avx2)) return kLoopsAvx2;
    return kLoopsBaseline;
  }();
  return chosen;
}

}  // namespace steergrid
