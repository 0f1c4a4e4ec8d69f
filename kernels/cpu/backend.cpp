// What the CPU backend is: its name, its instruction sets and its library, as a run's identity records them.
#include "kernels/backend.h"

#include <fmt/format.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

Rounding rounding_to(DType dtype) {
  switch (dtype) {
    case DType::Float32: return Rounding::None;
    case DType::Float16: return Rounding::Float16;
    case DType::BFloat16: return Rounding::BFloat16;
  }
  return Rounding::None;
}

CpuBackend::CpuBackend(DType compute, int threads)
    : compute_(compute),
      rounding_(rounding_to(compute)),
      threads_(threads > 0 ? threads : omp_get_max_threads()),
      gemm_(compute),
      loops_(vector_loops()) {}

std::string CpuBackend::name() const { return "cpu"; }

// The GEMM kernel decides the bits; the vector loops give the same ones on every instruction set.
std::string CpuBackend::architecture() const { return fmt::format("x86-64 {}", gemm_.kernel_name()); }

std::string CpuBackend::gemm_library() const {
  const dnnl_version_t* v = dnnl::version();
  return fmt::format("oneDNN {}.{}.{}", v->major, v->minor, v->patch);
}

DType CpuBackend::compute_dtype() const { return compute_; }

DType CpuBackend::activation_dtype() const { return DType::Float32; }

DType CpuBackend::weight_dtype() const { return gemm_.storage(); }

std::unique_ptr<Backend> make_cpu_backend(DType compute, int threads) {
  return std::make_unique<CpuBackend>(compute, threads);
}

}  // namespace steergrid
