// Memory of the CPU backend: aligned allocations, copies, and weights rounded to the compute type.
//
// A weight [N, K] is kept as panels of kPanel rows (the last may have fewer), each packed as oneDNN likes it, one after
// another; `linear`, `head` and `embed` read that through `panel`. Its view has the shape [N, K] but is not row-major.
#include <omp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cassert>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "kernels/cpu/cpu_backend.h"

namespace steergrid {

void widen(const std::byte* from, DType dtype, std::int64_t n, float* to) {
  if (dtype == DType::Float32) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint16_t half;
    std::memcpy(&half, from + 2 * i, sizeof half);
    to[i] = dtype == DType::BFloat16 ? bfloat16_to_float(half) : float16_to_float(half);
  }
}

namespace {

/// Pages of their own for a weight: where blocks stream, one thread allocates them and another frees them, and malloc
/// would keep as much again for either.
Tensor mapped(Matrix view, std::size_t bytes) {
  view.data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (view.data == MAP_FAILED)
    failed("Out of memory: could not allocate {:.1f} MiB for a weight", double(bytes) / (1 << 20));
  return {view, [bytes](void* p) { ::munmap(p, bytes); }};
}

}  // namespace

void* allocate_aligned(std::size_t bytes) {
  constexpr std::size_t kAlignment = 64;
  const std::size_t size = (bytes + kAlignment) / kAlignment * kAlignment;  // never 0
  void* memory = std::aligned_alloc(kAlignment, size);
  if (memory == nullptr) failed("Out of memory: could not allocate {:.1f} MiB for tensors", double(size) / (1 << 20));
  return memory;
}

Tensor CpuBackend::allocate(std::int64_t rows, std::int64_t cols, DType dtype) {
  assert(rows >= 0 && cols >= 0);
  Matrix view{nullptr, rows, cols, dtype};
  view.data = allocate_aligned(view.bytes());
  return {view, [](void* p) { std::free(p); }};
}

void CpuBackend::upload(Matrix to, std::span<const std::byte> from) {
  assert(from.size() == to.bytes());
  if (!from.empty()) std::memcpy(to.data, from.data(), from.size());
}

void CpuBackend::download(Matrix from, std::span<std::byte> to) {
  assert(to.size() == from.bytes());
  if (!to.empty()) std::memcpy(to.data(), from.data, to.size());
}

HostMemory CpuBackend::allocate_host(std::size_t bytes) {
  return {allocate_aligned(bytes), [](void* p) { std::free(p); }};
}

std::int64_t CpuBackend::peak_bytes() const {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} << 10;
}

/// With one thread: the cores belong to the backend that computes.
std::unique_ptr<Backend> CpuBackend::sibling() const { return std::make_unique<CpuBackend>(compute_, 1); }

CpuBackend::Panel CpuBackend::panel(const Matrix& weight, std::int64_t p) {
  const std::int64_t first = p * kPanel;
  const std::size_t stride = p == 0 ? 0 : gemm_.panel_bytes(kPanel, weight.cols);
  return {first, std::min(kPanel, weight.rows - first),
          static_cast<std::byte*>(weight.data) + static_cast<std::size_t>(p) * stride};
}

Tensor CpuBackend::pack(std::int64_t rows, std::int64_t k,
                        const std::function<void(std::int64_t n, float* to)>& fill_row) {
  const std::int64_t panels = (rows + kPanel - 1) / kPanel;
  const std::int64_t last_outputs = rows - (panels - 1) * kPanel;
  std::size_t bytes = gemm_.panel_bytes(last_outputs, k);
  if (panels > 1) bytes += static_cast<std::size_t>(panels - 1) * gemm_.panel_bytes(kPanel, k);
  Tensor weight = mapped({nullptr, rows, k, gemm_.storage()}, bytes);
  const Matrix& view = weight.view();
#pragma omp parallel num_threads(threads_)
  {
    std::vector<float> row(static_cast<std::size_t>(k));
    std::vector<std::byte> plain(static_cast<std::size_t>(std::min(kPanel, rows) * k) * size_of(view.dtype));
#pragma omp for schedule(dynamic)
    for (std::int64_t p = 0; p < panels; ++p) {
      const Panel to = panel(view, p);
      for (std::int64_t n = 0; n < to.outputs; ++n) {
        fill_row(to.first + n, row.data());
        std::byte* plain_row = plain.data() + static_cast<std::size_t>(n * k) * size_of(view.dtype);
        if (view.dtype == DType::BFloat16) {
          loops_.to_bfloat16(row.data(), reinterpret_cast<std::uint16_t*>(plain_row), k);
        } else {
          loops_.round(row.data(), reinterpret_cast<float*>(plain_row), k, rounding_);
        }
      }
      gemm_.pack(to.outputs, k, plain.data(), to.data);
    }
  }
  return weight;
}

Tensor CpuBackend::load_weight(const HostMatrix& from) {
  assert(from.rows > 0 && from.cols > 0 && from.stride >= from.cols);
  return pack(from.rows, from.cols, [&](std::int64_t n, float* to) {
    widen(from.data + static_cast<std::size_t>(n * from.stride) * size_of(from.dtype), from.dtype, from.cols, to);
  });
}

Tensor CpuBackend::load_norm(const HostMatrix& from) {
  assert(from.rows == 1 && from.cols > 0);
  Tensor norm = allocate(1, from.cols, DType::Float32);
  widen(from.data, from.dtype, from.cols, norm.view().as<float>());
  loops_.round(norm.view().as<float>(), norm.view().as<float>(), from.cols, rounding_);
  return norm;
}

}  // namespace steergrid
