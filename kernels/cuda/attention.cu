// Attention with forks, one path for prompts and forks: float16 and bfloat16 on tensor cores (attention_tensor.cuh),
// float32 without them (attention_plain.cuh). Here the segments of a call become what a kernel's blocks work on.
// Probabilities are never rounded to the model's type (Hugging Face does that).
#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

#include "kernels/cuda/attention_plain.cuh"
#include "kernels/cuda/attention_tensor.cuh"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/device.cuh"

namespace steergrid {
namespace {

constexpr int kMostHeadSize = 256;

/// What both kernels read and write.
struct Call {
  Matrix q, k, v, out;
  std::span<const Segment> segments;
  int head_size;

  int group() const { return static_cast<int>(q.cols / k.cols); }
  unsigned kv_heads() const { return static_cast<unsigned>(k.cols / head_size); }
  template <class T>
  Arrays<T> arrays() const {
    const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_size)));
    return {q.as<const T>(), k.as<const T>(), v.as<const T>(), out.as<T>(), q.cols, k.cols, head_size, group(), scale};
  }
};

/// All queries in pieces of `most` or fewer.
std::vector<plain::Piece> pieces_of(std::span<const Segment> segments, int most) {
  std::vector<plain::Piece> pieces;
  std::int64_t row = 0;
  for (const Segment& s : segments) {
    assert(s.position >= 0 && s.first_query >= 0 && s.n_queries >= 0);
    for (int first = 0; first < s.n_queries; first += most)
      pieces.push_back({row + first, s.own_row, s.prefix_row, s.position, s.position + s.first_query + first,
                        std::min(most, s.n_queries - first), 0});
    row += s.n_queries;
  }
  return pieces;
}

template <int kParts>
void launch(const Call& call, const std::vector<plain::Piece>& pieces, cuda::Staging& staging, cudaStream_t stream) {
  const auto staged = staging.copy({std::as_bytes(std::span(pieces))});
  const dim3 grid(static_cast<unsigned>(pieces.size()), call.kv_heads(),
                  cuda::blocks_for(call.group(), plain::kBlockRows));
  const std::size_t bytes = plain::shared_bytes<kParts>(call.head_size);
  cuda::allow_shared(plain::attend<kParts>, bytes);
  cuda::launch("plain::attend", plain::attend<kParts>, grid, plain::kThreads, bytes, stream, call.arrays<float>(),
               static_cast<const plain::Piece*>(staged[0]));
}

void attend_plainly(const Call& call, cuda::Staging& staging, cudaStream_t stream) {
  const auto pieces = pieces_of(call.segments, std::max(1, plain::kBlockRows / call.group()));
  if (pieces.empty()) return;
  if (call.head_size <= 32) return launch<1>(call, pieces, staging, stream);
  if (call.head_size <= 64) return launch<2>(call, pieces, staging, stream);
  if (call.head_size <= 128) return launch<4>(call, pieces, staging, stream);
  return launch<8>(call, pieces, staging, stream);
}

/// The queries of a call as tasks: each prompt by itself, all forks that read the same prompt together.
struct Tasks {
  std::vector<tensor::Query> queries;
  std::vector<tensor::Block> blocks;
};

Tasks tasks_of(std::span<const Segment> segments, int group) {
  std::vector<std::int64_t> first_row;
  std::vector<std::int32_t> order;
  std::int64_t rows = 0;
  for (const Segment& s : segments) {
    assert(s.position >= 0 && s.first_query >= 0 && s.n_queries >= 0);
    order.push_back(static_cast<std::int32_t>(order.size()));
    first_row.push_back(rows);
    rows += s.n_queries;
  }
  const auto segment = [&](std::int32_t i) -> const Segment& { return segments[static_cast<std::size_t>(i)]; };
  const auto prompt = [&](std::int32_t i) { return segment(i).position == 0 ? -1 : segment(i).prefix_row; };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return prompt(a) < prompt(b); });
  Tasks tasks;
  for (std::size_t i = 0; i < order.size();) {
    const auto begin = static_cast<std::int32_t>(tasks.queries.size());
    const std::int64_t read = prompt(order[i]);
    do {
      const Segment& s = segment(order[i]);
      for (int q = 0; q < s.n_queries; ++q)
        tasks.queries.push_back({first_row[static_cast<std::size_t>(order[i])] + q, s.own_row, s.prefix_row, s.position,
                                 s.position + s.first_query + q, order[i], 0});
      ++i;
    } while (i < order.size() && read >= 0 && prompt(order[i]) == read);
    const std::int32_t n = static_cast<std::int32_t>(tasks.queries.size()) - begin;
    for (std::int32_t row = 0; row < n * group; row += tensor::kBlockRows) tasks.blocks.push_back({begin, n, row, 0});
  }
  return tasks;
}

template <class T, int steps>
void launch(const Call& call, const Tasks& tasks, cuda::Staging& staging, cudaStream_t stream) {
  const auto staged = staging.copy({std::as_bytes(std::span(tasks.queries)), std::as_bytes(std::span(tasks.blocks))});
  const dim3 grid(static_cast<unsigned>(tasks.blocks.size()), call.kv_heads());
  cuda::allow_shared(tensor::attend<T, steps>, tensor::shared_bytes<steps>());
  cuda::launch("tensor::attend", tensor::attend<T, steps>, grid, tensor::kThreads, tensor::shared_bytes<steps>(),
               stream, call.arrays<T>(), static_cast<const tensor::Query*>(staged[0]),
               static_cast<const tensor::Block*>(staged[1]));
}

template <class T>
void attend_on_tensor_cores(const Call& call, cuda::Staging& staging, cudaStream_t stream) {
  const Tasks tasks = tasks_of(call.segments, call.group());
  if (tasks.blocks.empty()) return;
  if (call.head_size <= 64) return launch<T, 4>(call, tasks, staging, stream);
  if (call.head_size <= 128) return launch<T, 8>(call, tasks, staging, stream);
  return launch<T, 16>(call, tasks, staging, stream);
}

}  // namespace

void CudaBackend::attention(Matrix q, Matrix k, Matrix v, std::span<const Segment> segments, int head_size,
                            Matrix out) {
  assert(q.rows == out.rows && q.cols == out.cols && k.cols == v.cols && k.rows == v.rows);
  assert(head_size > 0 && head_size % 2 == 0 && k.cols % head_size == 0 && q.cols % k.cols == 0);
  assert(q.dtype == compute_ && k.dtype == compute_ && v.dtype == compute_ && out.dtype == compute_);
  if (head_size > kMostHeadSize) cuda::unsupported("head sizes", head_size, kMostHeadSize);
  const Call call{q, k, v, out, segments, head_size};
  cuda::with_type(compute_, [&](auto* type) {
    using T = cuda::Pointee<decltype(type)>;
    if constexpr (std::is_same_v<T, float>)
      attend_plainly(call, staging_, stream_->get());
    else
      attend_on_tensor_cores<T>(call, staging_, stream_->get());
  });
}

}  // namespace steergrid
