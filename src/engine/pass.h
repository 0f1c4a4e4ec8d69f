// One walk of packed rows through the layers: prompts, what was forked from them, and taps that read the residual.
//
// A steered run differs from the unsteered one only after a layer and from a position on. So a cell is a *fork*: it
// opens after block L as a copy of its parent's residual rows from `first` on, and reads the parent's keys and values
// for the positions before. Everything before the fork is computed once. The same mechanism opens a fork at position 0,
// several additions in one fork, and (opening at the embeddings, with other tokens) the two members of a contrast pair.
//
// Rows of all sequences lie one after another in the order they open, so the rows alive at a block are always a prefix;
// blocks run over them in chunks. Rows never see the chunk they are in: the bits do not depend on what shares a pass.
// Collective over the model's team: every member adds the same sequences and calls run().
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/llama.h"

namespace steergrid {

/// coefficient * vectors[vector] added after block `layer`, at every own row of the sequence from `from` on.
struct Addition {
  int layer = 0;
  int vector = 0;  // row of the pass's vector table
  float coefficient = 0;
};

struct Sequence {
  std::vector<std::int32_t> tokens;   // all of them, the shared ones included
  int parent = -1;                    // an unsteered sequence added before, or -1
  int first = 0;                      // first own position; positions before it are the parent's
  int opens_after = -1;               // -1: at the embeddings; L: copies the parent's residual after block L
  int steer_from = 0;                 // first position the additions apply to; at least `first`
  std::vector<Addition> additions{};  // at most one a layer, none before opens_after
  bool wants_head = false;            // log-probabilities at its last position
};

/// Natural-log probabilities of the selected tokens over the whole vocabulary, and the most probable token.
struct Head {
  std::vector<double> log_probability;
  std::int32_t top_token = -1;
  double top_log_probability = 0;
};

/// Called after every block (0-based), before any addition of that layer: x [rows alive, D] float32.
using Tap = std::function<void(int layer, Matrix x)>;

class Pass {
 public:
  /// Rows that go through a block together, unless told otherwise: what a CPU's caches hold.
  static constexpr std::int64_t kChunkRows = 1024;

  /// `vectors` is host memory, [n, D] float32: what Additions refer to. May be empty. Only speed and memory depend on
  /// `chunk_rows`, which is the same on all ranks of the model's team.
  Pass(Llama& model, std::span<const float> vectors, std::int64_t chunk_rows = kChunkRows);

  /// Returns the sequence's index. Throws Error if it is inconsistent (position outside, too long for the model, ...).
  int add(Sequence sequence);

  /// The row of a position of sequence `s`, its parent's for shared positions; valid once run() has begun.
  std::int64_t row_of(int s, int position) const;

  /// Walks all layers. `selected` are the tokens whose logits heads report. Results by `head(s)`.
  void run(std::span<const std::int32_t> selected, const Tap& tap = {});

  const Head& head(int s) const { return heads_[static_cast<std::size_t>(s)]; }

  /// Rows that adding `tokens - first` positions costs; what memory budgets count.
  static std::int64_t rows_of(const Sequence& s) { return static_cast<std::int64_t>(s.tokens.size()) - s.first; }

 private:
  struct Work;  // buffers of a run
  void check(const Sequence& s) const;
  void check_parent(const Sequence& s) const;
  void place();
  void allocate(Work& work) const;
  void embed(Work& work);
  void open_forks(int layer, Work& work);
  void block(int layer, Work& work);
  std::vector<Segment> segments(std::int64_t first, std::int64_t count) const;
  void block_chunk(const LayerWeights& w, std::int64_t first, std::int64_t count, Work& work);
  void finish(std::span<const std::int32_t> selected, Work& work);

  Llama& model_;
  std::span<const float> vectors_;  // host, [n, D]
  std::int64_t chunk_rows_;
  std::vector<Sequence> sequences_;
  std::vector<std::int64_t> first_row_;  // of sequence s
  std::vector<int> order_;               // sequences in the order of their rows
  std::vector<std::int64_t> alive_;      // rows alive in block l
  std::int64_t rows_ = 0;
  std::vector<Head> heads_;
};

}  // namespace steergrid
