// Copies of chosen rows, in the widest words that divide a row.
#include <cassert>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kThreads = 256;

// No __restrict__: `to` and `from` may be parts of one allocation.
template <class Word>
__global__ void gather_words(const Word* from, const std::int64_t* rows, Word* to, std::int64_t words) {
  const std::int64_t r = blockIdx.x, source = rows[r];
  for (std::int64_t i = threadIdx.x; i < words; i += kThreads) to[r * words + i] = from[source * words + i];
}

}  // namespace

void CudaBackend::gather_rows(Matrix from, std::span<const std::int64_t> rows, Matrix to) {
  assert(to.rows == static_cast<std::int64_t>(rows.size()) && to.cols == from.cols && to.dtype == from.dtype);
  for ([[maybe_unused]] const std::int64_t row : rows) assert(row >= 0 && row < from.rows);
  if (to.empty()) return;
  const auto staged = staging_.copy({std::as_bytes(rows)});
  const auto* index = static_cast<const std::int64_t*>(staged[0]);
  const auto bytes = static_cast<std::int64_t>(static_cast<std::size_t>(from.cols) * size_of(from.dtype));
  const auto launch = [&](auto word) {
    using Word = decltype(word);
    const auto size = static_cast<std::int64_t>(sizeof(Word));
    cuda::launch("gather_words", gather_words<Word>, static_cast<unsigned>(to.rows), kThreads, 0, stream_->get(),
                 from.as<const Word>(), index, to.as<Word>(), bytes / size);
  };
  // Allocations begin at multiples of 256 bytes, and views are whole rows of them.
  if (bytes % 16 == 0) {
    launch(uint4{});
  } else if (bytes % 4 == 0) {
    launch(std::uint32_t{});
  } else {
    launch(std::uint16_t{});
  }
}

}  // namespace steergrid
