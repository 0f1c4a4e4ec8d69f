// The inner loops of the CPU backend: everything between GEMMs that touches each value. They are written once
// (loops_body.h) on 16 lanes, compiled for three instruction sets (loops_*.cpp, flags in CMakeLists.txt) and picked at
// run time, so that a package built for plain x86-64 is fast on AVX-512 machines.
//
// All three give the same bits: the same 16-lane arithmetic, no fused multiply-add, no libm. Sums run in a fixed order
// that depends on a value's place in its own row only. Nothing here is threaded; the stems call it from their tasks.
//
// This header and loops_body.h include no standard header with inline code: such code, compiled for AVX-512 here, could
// be the copy that the linker keeps for a machine without it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace steergrid {

/// To which type a result is rounded (and widened again); the order of `DType`.
enum class Rounding { None, Float16, BFloat16 };

/// Keys are handled in tiles of this many, at absolute multiples of it.
inline constexpr int kKeyTile = 16;
/// Query rows that one call of `attention_rows` takes.
inline constexpr int kQueryRows = 8;

/// Query rows (a query and a head each) that share a key/value head of one segment. Key tiles are [tile][E][16], values
/// [key][e_padded], e_padded = E rounded up to 16. What lies beyond a row's last key or beyond E may be anything.
struct AttentionRows {
  const float* q[kQueryRows];
  float* out[kQueryRows];
  int last_key[kQueryRows];  // the last position a row sees
  int rows = 0;
  int head_size = 0;
  float scale = 0;
  const float* prefix_tiles = nullptr;  // tiles [0, first_own_tile)
  const float* own_tiles = nullptr;     // tiles from first_own_tile on
  int first_own_tile = 0;
  const float* prefix_values = nullptr;  // keys [0, position)
  const float* own_values = nullptr;     // keys from position on
  int position = 0;
  float* scores = nullptr;  // scratch: kQueryRows * score_stride
  std::ptrdiff_t score_stride = 0;
  Rounding rounding = Rounding::None;
};

/// What `log_sum_exp` says of a row of logits; see HeadRow.
struct LogitSummary {
  std::int64_t top = -1;
  float top_logit = 0;
  double shift = 0;  // log-sum-exp = shift + log(sum)
  double sum = 0;
};

struct VectorLoops {
  const char* name;
  /// out = x rounded; out may be x.
  void (*round)(const float* x, float* out, std::int64_t n, Rounding to);
  void (*to_bfloat16)(const float* x, std::uint16_t* out, std::int64_t n);
  void (*exponential)(const float* x, float* out, std::int64_t n);
  void (*swiglu)(const float* gate, const float* up, float* out, std::int64_t n, Rounding to);
  /// x = round(x + partials[0] + partials[1] + ...), element by element, in that order.
  void (*add)(float* x, const float* const* partials, std::int64_t n_partials, std::int64_t n, Rounding to);
  /// x = round(x + round(coefficient * vector)).
  void (*steer)(float* x, const float* vector, float coefficient, std::int64_t n, Rounding to);
  void (*rms_norm)(const float* x, const float* weight, float epsilon, float* h, std::int64_t n, Rounding to);
  /// Rotates `heads` heads of one row by E/2 cosines and sines.
  void (*rope)(float* x, std::int64_t heads, int head_size, const float* cosines, const float* sines, Rounding to);
  void (*attention_rows)(const AttentionRows& a);
  LogitSummary (*log_sum_exp)(const float* logits, std::int64_t n);
};

extern const VectorLoops kLoopsBaseline;
extern const VectorLoops kLoopsAvx2;
extern const VectorLoops kLoopsAvx512;

/// The loops for this machine, limited as oneDNN is (ONEDNN_MAX_CPU_ISA).
const VectorLoops& vector_loops();

}  // namespace steergrid
