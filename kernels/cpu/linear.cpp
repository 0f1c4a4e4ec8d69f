// out = in * weight^T in blocks (gemm.h): 64 rows at a time, then 16, the last one padded with zero rows. A task is up
// to 256 rows against one panel of 256 outputs, so that the panel stays in the cache while the rows go by. oneDNN
// writes a block without gaps into the thread's own memory; it is rounded on its way to `out`.
#include <algorithm>
#include <cassert>
#include <cstring>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {
namespace {

constexpr std::int64_t kTaskRows = 256;

/// The block sizes for one panel width; `small` is of `rows` rows, which may be as many as of a large one.
struct Kernels {
  Kernels(Gemm& gemm, std::int64_t n, std::int64_t k)
      : rows(gemm.smallest_block(n, k)), large(gemm.kernel(kLargeBlock, n, k)), small(gemm.kernel(rows, n, k)) {}
  int rows;
  const Gemm::Kernel &large, &small;
};

}  // namespace

/// All rows of `in` in the type of the weights, from `first` on in memory of our own: every row where they become
/// bfloat16, else (float32 is read in place) only those of the last block of `block` rows, padded with zero rows.
CpuBackend::Operands CpuBackend::operands(Matrix in, int block) {
  const std::int64_t padded = (in.rows + block - 1) / block * block;
  const bool to_bfloat16 = gemm_.storage() == DType::BFloat16;
  const Operands result{in, to_bfloat16 ? 0 : in.rows / block * block,
                        static_cast<std::size_t>(in.cols) * size_of(gemm_.storage()), &gemm_input_};
  const auto bytes = static_cast<std::size_t>(padded - result.copied_from) * result.row_bytes;
  if (gemm_input_.size() < bytes) gemm_input_.resize(bytes);
#pragma omp parallel for num_threads(threads_) schedule(static) if (to_bfloat16)
  for (std::int64_t r = result.copied_from; r < padded; ++r) {
    const float* from = in.as<float>() + r * in.cols;
    std::byte* to = result.row(r);
    if (r >= in.rows) {
      std::memset(to, 0, result.row_bytes);
    } else if (to_bfloat16) {
      loops_.to_bfloat16(from, reinterpret_cast<std::uint16_t*>(to), in.cols);
    } else {
      std::memcpy(to, from, result.row_bytes);
    }
  }
  return result;
}

void CpuBackend::linear(Matrix in, const Tensor& weight, Matrix out, Round round) {
  const Matrix& w = weight.view();
  const std::int64_t rows = in.rows, k = in.cols, n = w.rows;
  assert(k == w.cols && out.cols == n && out.rows == rows);
  assert(in.dtype == DType::Float32 && w.dtype == gemm_.storage());
  const bool narrow = out.dtype == DType::BFloat16;
  assert(out.dtype == DType::Float32 || (narrow && compute_ == DType::BFloat16 && round == Round::None));
  if (rows == 0) return;
  const std::int64_t panels = (n + kPanel - 1) / kPanel, row_tasks = (rows + kTaskRows - 1) / kTaskRows;
  const Kernels last(gemm_, n - (panels - 1) * kPanel, k);
  const Kernels full = panels > 1 ? Kernels(gemm_, kPanel, k) : last;
  const Operands operand = operands(in, std::max(last.rows, full.rows));
  const Rounding rounding = round == Round::ToCompute ? rounding_ : Rounding::None;
#pragma omp parallel num_threads(threads_)
  {
    Gemm::Runner runner;
    float* block = runner.block();
#pragma omp for collapse(2) schedule(dynamic)
    for (std::int64_t p = 0; p < panels; ++p)
      for (std::int64_t task = 0; task < row_tasks; ++task) {
        const Panel to = panel(w, p);
        const Kernels& kernels = p + 1 < panels ? full : last;
        const std::int64_t end = std::min(rows, (task + 1) * kTaskRows);
        for (std::int64_t r = task * kTaskRows; r < end;) {
          const bool large = r + kLargeBlock <= end;
          runner.multiply(large ? kernels.large : kernels.small, operand.row(r), to.data, block);
          const std::int64_t count = std::min<std::int64_t>(large ? kLargeBlock : kernels.rows, end - r);
          for (std::int64_t i = 0; i < count; ++i) {
            const float* sums = block + i * to.outputs;
            const std::int64_t at = (r + i) * n + to.first;
            if (narrow)
              loops_.to_bfloat16(sums, out.as<std::uint16_t>() + at, to.outputs);
            else
              loops_.round(sums, out.as<float>() + at, to.outputs, rounding);
          }
          r += count;
        }
      }
  }
}

}  // namespace steergrid
