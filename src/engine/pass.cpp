// The walk itself. Reads top to bottom as the model does: embed, blocks, forks opening between them, head.
#include "engine/pass.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "engine/combine_heads.h"

namespace steergrid {
namespace {

/// Sets what every row gets added after block `after`; false if nothing is added to any.
bool steering_of(std::span<const Sequence> sequences, std::span<const std::int64_t> first_row, int after,
                 std::vector<std::int32_t>& vector, std::vector<float>& coefficient) {
  bool any = false;
  std::ranges::fill(vector, -1);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const Sequence& sequence = sequences[s];
    for (const Addition& a : sequence.additions) {
      if (a.layer != after) continue;
      any = true;
      for (int p = sequence.steer_from; p < static_cast<int>(sequence.tokens.size()); ++p) {
        const auto row = static_cast<std::size_t>(first_row[s] + p - sequence.first);
        vector[row] = a.vector;
        coefficient[row] = a.coefficient;
      }
    }
  }
  return any;
}

}  // namespace

/// Buffers of one run, and what every block needs to know about its rows.
struct Pass::Work {
  Tensor vectors;                      // [n, D] float32
  Tensor x;                            // [rows, D] float32: the residual stream of every row
  Tensor k, v;                         // [rows alive in the last block, K_r*E]: of the block at work
  Tensor h, q, attended, gate, up;     // a chunk's activations
  Tensor partial;                      // a chunk's [R, D], float32 or narrower, before the team's sum
  std::vector<std::int32_t> position;  // of every row
  std::vector<std::int32_t> vector;    // what the block at work adds to each row on entry, -1: nothing
  std::vector<float> coefficient;
  bool steers = false;  // whether the block at work adds anything
};

Pass::Pass(Llama& model, std::span<const float> vectors, std::int64_t chunk_rows)
    : model_(model), vectors_(vectors), chunk_rows_(chunk_rows) {}

int Pass::add(Sequence s) {
  std::ranges::sort(s.additions, {}, &Addition::layer);
  check(s);
  sequences_.push_back(std::move(s));
  return static_cast<int>(sequences_.size()) - 1;
}

void Pass::check(const Sequence& s) const {
  const int n_tokens = static_cast<int>(s.tokens.size());
  const int n_layers = model_.shape().n_layers;
  if (n_tokens == 0 || n_tokens > model_.config().max_positions)
    bad_input("a prompt of {} tokens: the model takes 1 to {}", n_tokens, model_.config().max_positions);
  for (const std::int32_t id : s.tokens)
    if (id < 0 || id >= model_.shape().vocabulary)
      bad_input("token {}: the model's vocabulary has {} tokens", id, model_.shape().vocabulary);
  if (s.first < 0 || s.first >= n_tokens || s.steer_from < s.first || s.steer_from >= n_tokens)
    bad_input("a fork at position {} steering from {}: outside a prompt of {} tokens", s.first, s.steer_from, n_tokens);
  if (s.opens_after < -1 || s.opens_after >= n_layers)
    bad_input("a fork after layer {}: the model's layers are 0 to {}", s.opens_after, n_layers - 1);
  if (s.parent < 0 ? (s.first != 0 || s.opens_after != -1) : s.parent >= static_cast<int>(sequences_.size()))
    bad_input("a fork needs a parent added before it, and only a fork may open late or share positions");
  if (s.parent >= 0) check_parent(s);
  const auto n_vectors = static_cast<std::int64_t>(vectors_.size()) / model_.shape().hidden;
  for (std::size_t i = 0; i < s.additions.size(); ++i) {
    const Addition& a = s.additions[i];
    if (a.layer < std::max(0, s.opens_after) || a.layer >= n_layers || a.vector < 0 || a.vector >= n_vectors)
      bad_input("an addition of vector {} after layer {}: no such vector, or not a layer of this fork", a.vector,
                a.layer);
    if (i > 0 && s.additions[i - 1].layer == a.layer) bad_input("two additions after layer {} in one fork", a.layer);
  }
}

void Pass::check_parent(const Sequence& s) const {
  const Sequence& parent = sequences_[static_cast<std::size_t>(s.parent)];
  if (parent.parent >= 0 || !parent.additions.empty()) bad_input("only a plain prompt can be forked");
  const std::size_t shared = s.opens_after < 0 ? static_cast<std::size_t>(s.first) : s.tokens.size();
  if (parent.tokens.size() < shared ||
      !std::equal(s.tokens.begin(), s.tokens.begin() + static_cast<std::ptrdiff_t>(shared), parent.tokens.begin()))
    bad_input("a fork at position {} after layer {} must share its parent's tokens", s.first, s.opens_after);
}

std::int64_t Pass::row_of(int s, int position) const {
  const Sequence& sequence = sequences_[static_cast<std::size_t>(s)];
  if (position < sequence.first) return row_of(sequence.parent, position);
  return first_row_[static_cast<std::size_t>(s)] + position - sequence.first;
}

void Pass::run(std::span<const std::int32_t> selected, const Tap& tap) {
  place();
  Work work;
  allocate(work);
  embed(work);
  for (int l = 0; l < model_.shape().n_layers; ++l) {
    block(l, work);
    if (tap) tap(l, work.x.row_range(0, alive_[static_cast<std::size_t>(l)]));
    open_forks(l, work);
  }
  finish(selected, work);
}

/// Gives every sequence its rows, in the order the sequences open.
void Pass::place() {
  order_.resize(sequences_.size());
  std::iota(order_.begin(), order_.end(), 0);
  std::ranges::stable_sort(order_, {}, [&](int s) { return sequences_[static_cast<std::size_t>(s)].opens_after; });
  first_row_.resize(sequences_.size());
  alive_.assign(static_cast<std::size_t>(model_.shape().n_layers), 0);
  rows_ = 0;
  for (const int s : order_) {
    const Sequence& sequence = sequences_[static_cast<std::size_t>(s)];
    first_row_[static_cast<std::size_t>(s)] = rows_;
    rows_ += rows_of(sequence);
    for (int l = sequence.opens_after + 1; l < model_.shape().n_layers; ++l)
      alive_[static_cast<std::size_t>(l)] = rows_;
  }
}

void Pass::allocate(Work& work) const {
  Backend& on = model_.backend();
  const ModelShape& shape = model_.shape();
  const int ranks = model_.team().size();
  const std::int64_t heads = std::int64_t{shape.n_heads} / ranks * shape.head_size;
  const std::int64_t kv = std::int64_t{shape.n_kv_heads} / ranks * shape.head_size;
  const std::int64_t ff = shape.feed_forward / ranks;
  const std::int64_t chunk = std::min(chunk_rows_, rows_);
  const DType act = on.activation_dtype();
  work.vectors = on.allocate(static_cast<std::int64_t>(vectors_.size()) / shape.hidden, shape.hidden, DType::Float32);
  if (!vectors_.empty()) on.upload(work.vectors.view(), std::as_bytes(vectors_));
  work.x = on.allocate(rows_, shape.hidden, DType::Float32);
  work.k = on.allocate(alive_.back(), kv, act);
  work.v = on.allocate(alive_.back(), kv, act);
  work.h = on.allocate(chunk, shape.hidden, act);
  work.q = on.allocate(chunk, heads, act);
  work.attended = on.allocate(chunk, heads, act);
  work.gate = on.allocate(chunk, ff, act);
  work.up = on.allocate(chunk, ff, act);
  work.partial = on.allocate(chunk, shape.hidden, DType::Float32);
  work.vector.resize(static_cast<std::size_t>(rows_));
  work.coefficient.resize(static_cast<std::size_t>(rows_));
}

void Pass::embed(Work& work) {
  Backend& on = model_.backend();
  Team& team = model_.team();
  std::vector<std::int32_t> ids;  // of the rows that open at the embeddings: the first alive_[0]
  for (const int s : order_) {
    const Sequence& sequence = sequences_[static_cast<std::size_t>(s)];
    for (int p = sequence.first; p < static_cast<int>(sequence.tokens.size()); ++p) {
      work.position.push_back(p);
      if (sequence.opens_after < 0) ids.push_back(sequence.tokens[static_cast<std::size_t>(p)]);
    }
  }
  for (std::int64_t first = 0; first < alive_[0]; first += chunk_rows_) {
    const std::int64_t count = std::min(chunk_rows_, alive_[0] - first);
    const Matrix x = work.x.row_range(first, count);
    const std::span part = std::span(ids).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    on.embed(part, model_.embedding(), model_.first_token(), x);
    std::vector<Matrix> others = team.gather(x);  // each rank knows its slice of the vocabulary, zeros elsewhere
    others.erase(others.begin() + team.rank());
    if (!others.empty()) on.residual_norm(x, others, {}, model_.residual(), model_.final_norm(), 0.0f, {});
  }
}

/// Forks that open after `layer`: copies of their parents' rows. What the fork adds comes on entry to the next block.
void Pass::open_forks(int layer, Work& work) {
  std::vector<std::int64_t> source;
  std::int64_t first = rows_;
  for (const int s : order_) {
    const Sequence& sequence = sequences_[static_cast<std::size_t>(s)];
    if (sequence.opens_after != layer) continue;
    first = std::min(first, first_row_[static_cast<std::size_t>(s)]);
    for (int p = sequence.first; p < static_cast<int>(sequence.tokens.size()); ++p)
      source.push_back(row_of(sequence.parent, p));
  }
  if (source.empty()) return;
  model_.backend().gather_rows(work.x.view(), source,
                               work.x.row_range(first, static_cast<std::int64_t>(source.size())));
}

void Pass::block(int layer, Work& work) {
  work.steers = layer > 0 && steering_of(sequences_, first_row_, layer - 1, work.vector, work.coefficient);
  const std::int64_t alive = alive_[static_cast<std::size_t>(layer)];
  const LayerWeights& weights = model_.layer(layer);
  for (std::int64_t first = 0; first < alive; first += chunk_rows_)
    block_chunk(weights, first, std::min(chunk_rows_, alive - first), work);
}

/// The parts of sequences that lie in rows [first, first + count), as attention wants them.
std::vector<Segment> Pass::segments(std::int64_t first, std::int64_t count) const {
  std::vector<Segment> found;
  const auto begins_after = [&](std::int64_t row, int s) { return row < first_row_[static_cast<std::size_t>(s)]; };
  auto it = std::upper_bound(order_.begin(), order_.end(), first, begins_after);
  for (--it; it != order_.end() && first_row_[static_cast<std::size_t>(*it)] < first + count; ++it) {
    const Sequence& sequence = sequences_[static_cast<std::size_t>(*it)];
    const std::int64_t row = first_row_[static_cast<std::size_t>(*it)];
    const std::int64_t from = std::max(first, row);
    const std::int64_t to = std::min(first + count, row + rows_of(sequence));
    const std::int64_t prefix = sequence.parent < 0 ? row : first_row_[static_cast<std::size_t>(sequence.parent)];
    found.push_back(
        {row, prefix, sequence.first, static_cast<std::int32_t>(from - row), static_cast<std::int32_t>(to - from)});
  }
  return found;
}

void Pass::block_chunk(const LayerWeights& w, std::int64_t first, std::int64_t count, Work& work) {
  Backend& on = model_.backend();
  Team& team = model_.team();
  const DType residual = model_.residual();
  const float eps = model_.config().rms_norm_eps;
  const int head_size = model_.shape().head_size;
  const auto chunk_of = [&](const Tensor& t) { return t.row_range(0, count); };
  const auto mine = [&](const auto& per_row) {
    return std::span(per_row).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
  };
  Steering steering;
  if (work.steers) steering = {work.vectors.view(), mine(work.vector), mine(work.coefficient)};
  const Matrix x = work.x.row_range(first, count);
  const Matrix h = chunk_of(work.h), q = chunk_of(work.q), attended = chunk_of(work.attended);
  const Matrix gate = chunk_of(work.gate), up = chunk_of(work.up);
  const Matrix partial{work.partial.view().data, count, x.cols, model_.partials()};
  const Matrix k = work.k.row_range(first, count), v = work.v.row_range(first, count);

  on.residual_norm(x, {}, steering, residual, w.attention_norm, eps, h);
  on.linear(h, w.q, q, Round::ToCompute);
  on.linear(h, w.k, k, Round::ToCompute);
  on.linear(h, w.v, v, Round::ToCompute);
  on.rope(q, k, mine(work.position), model_.rotary(), head_size);
  on.attention(q, work.k.view(), work.v.view(), segments(first, count), head_size, attended);
  on.linear(attended, w.o, partial, Round::None);
  on.residual_norm(x, team.gather(partial), {}, residual, w.feed_forward_norm, eps, h);
  on.linear(h, w.gate, gate, Round::ToCompute);
  on.linear(h, w.up, up, Round::ToCompute);
  on.swiglu(gate, up, gate);
  on.linear(gate, w.down, partial, Round::None);
  on.residual_norm(x, team.gather(partial), {}, residual, w.feed_forward_norm, eps, {});
}

/// Additions after the last block, final norm and head for the last positions that were asked for.
void Pass::finish(std::span<const std::int32_t> selected, Work& work) {
  Backend& on = model_.backend();
  const int last_layer = model_.shape().n_layers - 1;
  heads_.assign(sequences_.size(), {});
  std::vector<int> asked;
  std::vector<std::int64_t> rows;
  for (int s = 0; s < static_cast<int>(sequences_.size()); ++s) {
    const Sequence& sequence = sequences_[static_cast<std::size_t>(s)];
    if (!sequence.wants_head) continue;
    asked.push_back(s);
    rows.push_back(row_of(s, static_cast<int>(sequence.tokens.size()) - 1));
  }
  work.steers = steering_of(sequences_, first_row_, last_layer, work.vector, work.coefficient);
  for (std::size_t first = 0; first < rows.size(); first += static_cast<std::size_t>(chunk_rows_)) {
    const std::size_t count = std::min(static_cast<std::size_t>(chunk_rows_), rows.size() - first);
    const std::span part = std::span(rows).subspan(first, count);
    std::vector<std::int32_t> vector;
    std::vector<float> coefficient;
    for (const std::int64_t row : part) {
      vector.push_back(work.vector[static_cast<std::size_t>(row)]);
      coefficient.push_back(work.coefficient[static_cast<std::size_t>(row)]);
    }
    Steering steering;
    if (work.steers) steering = {work.vectors.view(), vector, coefficient};
    const Matrix x = work.partial.row_range(0, static_cast<std::int64_t>(count));
    const Matrix h = work.h.row_range(0, static_cast<std::int64_t>(count));
    on.gather_rows(work.x.view(), part, x);
    on.residual_norm(x, {}, steering, model_.residual(), model_.final_norm(), model_.config().rms_norm_eps, h);
    const std::vector<HeadRow> mine = on.head(h, model_.head(), model_.first_token(), selected);
    const std::vector<Head> whole = combine_heads(mine, selected, model_.shape().vocabulary, model_.team());
    for (std::size_t i = 0; i < count; ++i) heads_[static_cast<std::size_t>(asked[first + i])] = whole[i];
  }
}

}  // namespace steergrid
