// What a plan costs: forwards, tokens, FLOPs of the naive loop and of ours, memory of a rank. Arithmetic only; the
// token counts come from the caller, who has the tokenizers.
//
// FLOPs count what is necessary: two a multiply-add, matrix products and attention of the rows computed (causal: 2 T^2
// H E a layer for T rows), the head at the last position only. N layers, P_l = layer_matrix_parameters:
//   naive: one full forward a member of a pair; one a question, layer and coefficient.
//   ours:  a pair's shared tokens once; a question once, and for each cell with a coefficient other than 0 its S
//          steered rows through the blocks after the cell's layer.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/plan.h"

namespace steergrid {

/// Sums over the pairs of one vector source, as one model tokenizes them.
struct PairTokenCounts {
  std::int64_t pairs = 0;
  std::int64_t full = 0;          // tokens of both members
  std::int64_t rows = 0;          // computed: shared tokens once, and both suffixes
  std::int64_t full_squared = 0;  // sum of t^2 over the members
  std::int64_t row_squares = 0;   // sum of t_matching^2 + t_other^2 - shared^2: what attention costs
  std::int64_t longest = 0;       // tokens of the longest member

  /// A pair whose members share their first `shared` tokens and go on for `matching` and `other` tokens.
  void add(std::int64_t shared, std::int64_t matching, std::int64_t other);
};

/// Sums over the questions of one run: T tokens of a question, S of them steered (T with positions: all).
struct QuestionTokenCounts {
  std::int64_t questions = 0;
  std::int64_t tokens = 0;           // sum of T
  std::int64_t squared = 0;          // sum of T^2
  std::int64_t steered = 0;          // sum of S
  std::int64_t steered_squares = 0;  // sum of T^2 - (T - S)^2: what attention of the steered rows costs
  std::int64_t longest = 0;
  std::int64_t most_steered = 0;

  void add(std::int64_t tokens, std::int64_t steered);
};

/// The counts of one model: one entry a ModelPlan::vectors, one a ModelPlan::runs.
struct TokenCounts {
  std::vector<PairTokenCounts> vectors;
  std::vector<QuestionTokenCounts> runs;
};

/// One phase of one vector source or run.
struct WorkCost {
  double naive_flops = 0, flops = 0;
  std::int64_t naive_tokens = 0;  // tokens that the naive loop takes through the whole model
  std::int64_t tokens = 0;        // ours: prompt tokens, once each
  std::int64_t fork_rows = 0;     // ours: rows opened by forks; they go through part of the model only

  WorkCost& operator+=(const WorkCost& other);
};

struct ModelCost {
  std::vector<WorkCost> vectors;  // as ModelPlan::vectors
  std::vector<WorkCost> runs;     // as ModelPlan::runs
  WorkCost total;
  std::int64_t cells = 0;  // layers x coefficients, over the model's runs
  std::int64_t units = 0;
};

/// Throws Error (failed) if the counts are not those of this model's sources and runs.
ModelCost cost_of(const Plan& plan, const ModelPlan& model, const TokenCounts& tokens);

/// What a rank's memory holds while a team of `tensor_parallel` ranks runs a pass of `rows` rows. All in bytes.
struct MemoryModel {
  std::int64_t weights = 0;
  std::int64_t residual = 0;       // rows x D x 4
  std::int64_t keys_values = 0;    // rows x 2 K_r E x 4, of one layer at a time
  std::int64_t chunk_buffers = 0;  // what a chunk of rows needs inside a block, and the head's logits
  std::int64_t host_buffers = 0;   // that a checkpoint's files are read into
  std::int64_t reading = 0;        // of these, what adds to the rest: none on a GPU, whose memory is another
  std::int64_t base = 0;           // the process itself

  std::int64_t in_flight() const { return residual + keys_values + chunk_buffers; }
  /// Resident weights are read before anything is in flight, streamed ones during it.
  std::int64_t total() const { return weights + in_flight() + reading + base; }
};

/// How weights lie in a rank's memory.
struct MemoryOptions {
  bool streamed = false;  // two blocks at a time instead of all
  std::int64_t rows = 0;
  std::int64_t chunk_rows = 0;
  std::int64_t logits = 0;                           // held by the head at a time
  bool widens_float16 = true;                        // CPUs: values rounded to float16 are stored as float32
  bool widens_bfloat16 = false;                      // CPUs without bfloat16 products
  bool wide_activations = true;                      // CPUs: float32; else of the model's dtype
  bool reads_into_same_memory = true;                // CPUs: the host buffers of reads count too
  std::int64_t base_bytes = std::int64_t{32} << 20;  // measured: a worker under mpirun before it loads a model
};

MemoryModel memory_of(const ModelFacts& facts, const MemoryOptions& options);

/// The most rows that one unit of the model's plan opens: what it takes to run a unit in one pass.
std::int64_t most_rows(const Plan& plan, const ModelPlan& model, const TokenCounts& tokens);

}  // namespace steergrid
