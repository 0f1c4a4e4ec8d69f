// Attention with forks: shares out (segments that read the same prompt) x (key/value head) over the threads and lays
// the keys out for the vector loops (attention_body.h, which also says why the split never shows in the bits).
//
// Keys become tiles [E][16] at absolute multiples of 16 positions, values rows of E. The prompt's are laid out once for
// all forks of a task; the tile that a fork's first position cuts is copied and completed with the fork's own keys.
// Probabilities stay float32 until the weighted sum is done (Hugging Face rounds them to the model's type first).
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/cpu/cpu_backend.h"

namespace steergrid {
namespace {

constexpr std::int64_t kTaskQueries = 256;

/// Queries [first, first + count) of a segment, whose rows in q and out begin at `row`.
struct Piece {
  const Segment* segment;
  std::int64_t row;
  int first, count;
};

/// Keys and values of one head, laid out from absolute position `start` (a multiple of kKeyTile) on.
class HeadCache {
 public:
  HeadCache(int head_size) : e_(head_size), e_padded_((head_size + 15) / 16 * 16) {}

  /// Room for keys in [start, end). What is not added may hold anything: no query sees it.
  void reset(int start, int end) {
    start_ = start / kKeyTile * kKeyTile;
    const int tiles = (end - start_ + kKeyTile - 1) / kKeyTile;
    const auto keys = static_cast<std::size_t>(std::max(tiles, 0) * kKeyTile);
    tiles_.resize(std::max(tiles_.size(), keys * static_cast<std::size_t>(e_)));
    values_.resize(std::max(values_.size(), keys * static_cast<std::size_t>(e_padded_)));
  }
  void add(int position, const float* key, const float* value) {
    float* lane = tile(position) + position % kKeyTile;
    for (int e = 0; e < e_; ++e) lane[e * kKeyTile] = key[e];
    std::memcpy(values(position), value, static_cast<std::size_t>(e_) * sizeof(float));
  }
  /// Takes the tile that holds `position` and some keys before it from `prefix`.
  void copy_straddling_tile(HeadCache& prefix, int position) {
    if (position % kKeyTile != 0) std::copy_n(prefix.tile(position), e_ * kKeyTile, tile(position));
  }
  float* tile(int position) { return tiles_.data() + std::ptrdiff_t{(position - start_) / kKeyTile} * kKeyTile * e_; }
  float* values(int position) { return values_.data() + std::ptrdiff_t{position - start_} * e_padded_; }

 private:
  int e_, e_padded_, start_ = 0;
  std::vector<float> tiles_, values_;
};

/// One task's work for one key/value head.
class HeadTask {
 public:
  HeadTask(const VectorLoops& loops, Rounding rounding, Matrix q, Matrix k, Matrix v, Matrix out, int head_size)
      : loops_(loops), q_(q), k_(k), v_(v), out_(out), prefix_(head_size), own_(head_size) {
    rows_.head_size = head_size;
    rows_.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_size)));
    rows_.rounding = rounding;
  }

  /// `pieces` all have the same prefix_row, unless their segments read none.
  void run(std::span<const Piece> pieces, std::int64_t kv_head) {
    kv_head_ = kv_head;
    int prefix_end = 0;
    for (const Piece& p : pieces) prefix_end = std::max(prefix_end, p.segment->position);
    prefix_.reset(0, prefix_end);
    for (int j = 0; j < prefix_end; ++j) add_key(prefix_, j, pieces.front().segment->prefix_row + j);
    for (const Piece& p : pieces) run(p);
  }

 private:
  void add_key(HeadCache& to, int position, std::int64_t row) {
    assert(row >= 0 && row < k_.rows);
    const std::int64_t column = kv_head_ * rows_.head_size;
    to.add(position, k_.as<float>() + row * k_.cols + column, v_.as<float>() + row * v_.cols + column);
  }

  void run(const Piece& piece) {
    const Segment& s = *piece.segment;
    const int end = s.position + piece.first + piece.count;
    own_.reset(s.position, end);
    if (s.position > 0) own_.copy_straddling_tile(prefix_, s.position);
    for (int j = s.position; j < end; ++j) add_key(own_, j, s.own_row + (j - s.position));
    rows_.position = s.position;
    rows_.first_own_tile = s.position / kKeyTile;
    rows_.prefix_tiles = prefix_.tile(0);
    rows_.prefix_values = prefix_.values(0);
    rows_.own_tiles = own_.tile(s.position);
    rows_.own_values = own_.values(s.position);
    rows_.score_stride = (end + kKeyTile - 1) / kKeyTile * kKeyTile;
    scores_.resize(std::max(scores_.size(), static_cast<std::size_t>(kQueryRows * rows_.score_stride)));
    rows_.scores = scores_.data();
    const std::int64_t group = q_.cols / k_.cols;  // query heads a key/value head serves
    rows_.rows = 0;
    for (int i = 0; i < piece.count; ++i)
      for (std::int64_t g = 0; g < group; ++g) {
        const std::int64_t at = (piece.row + i) * q_.cols + (kv_head_ * group + g) * rows_.head_size;
        rows_.q[rows_.rows] = q_.as<float>() + at;
        rows_.out[rows_.rows] = out_.as<float>() + at;
        rows_.last_key[rows_.rows] = s.position + piece.first + i;
        if (++rows_.rows == kQueryRows) flush();
      }
    flush();
  }

  void flush() {
    if (rows_.rows > 0) loops_.attention_rows(rows_);
    rows_.rows = 0;
  }

  const VectorLoops& loops_;
  Matrix q_, k_, v_, out_;
  HeadCache prefix_, own_;
  std::vector<float> scores_;
  std::int64_t kv_head_ = 0;
  AttentionRows rows_ = {};
};

/// All queries in pieces, those that read the same prompt next to each other; no piece is longer than a task.
std::vector<Piece> pieces_of(std::span<const Segment> segments) {
  std::vector<Piece> pieces;
  std::int64_t row = 0;
  for (const Segment& s : segments) {
    assert(s.position >= 0 && s.first_query >= 0 && s.n_queries >= 0);
    for (int first = 0; first < s.n_queries; first += static_cast<int>(kTaskQueries)) {
      const int count = std::min(s.n_queries - first, static_cast<int>(kTaskQueries));
      pieces.push_back({&s, row + first, s.first_query + first, count});
    }
    row += s.n_queries;
  }
  const auto prompt = [](const Piece& p) { return p.segment->position == 0 ? -1 : p.segment->prefix_row; };
  std::stable_sort(pieces.begin(), pieces.end(), [&](const Piece& a, const Piece& b) { return prompt(a) < prompt(b); });
  return pieces;
}

/// Where each task begins in `pieces`, and the end: one prompt, and up to kTaskQueries queries, a task.
std::vector<std::size_t> task_bounds(const std::vector<Piece>& pieces) {
  std::vector<std::size_t> bounds;
  std::int64_t queries = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto same_prompt = [&] {
      const Segment &a = *pieces[i - 1].segment, &b = *pieces[i].segment;
      return a.position > 0 && b.position > 0 && a.prefix_row == b.prefix_row;
    };
    if (i == 0 || queries + pieces[i].count > kTaskQueries || !same_prompt()) {
      bounds.push_back(i);
      queries = 0;
    }
    queries += pieces[i].count;
  }
  bounds.push_back(pieces.size());
  return bounds;
}

}  // namespace

void CpuBackend::attention(Matrix q, Matrix k, Matrix v, std::span<const Segment> segments, int head_size, Matrix out) {
  assert(q.rows == out.rows && q.cols == out.cols && k.cols == v.cols && k.rows == v.rows);
  assert(head_size > 0 && k.cols % head_size == 0 && q.cols % k.cols == 0);
  const std::vector<Piece> pieces = pieces_of(segments);
  if (pieces.empty()) return;
  const std::vector<std::size_t> bounds = task_bounds(pieces);
  const std::int64_t kv_heads = k.cols / head_size, tasks = static_cast<std::int64_t>(bounds.size()) - 1;
#pragma omp parallel num_threads(threads_)
  {
    HeadTask task(loops_, rounding_, q, k, v, out, head_size);
#pragma omp for collapse(2) schedule(dynamic)
    for (std::int64_t t = 0; t < tasks; ++t)
      for (std::int64_t head = 0; head < kv_heads; ++head) {
        const std::size_t first = bounds[static_cast<std::size_t>(t)], end = bounds[static_cast<std::size_t>(t) + 1];
        task.run(std::span(pieces).subspan(first, end - first), head);
      }
  }
}

}  // namespace steergrid
