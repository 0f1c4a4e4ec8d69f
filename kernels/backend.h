// The kernel contract: the dozen operations a Llama pass with forks is made of. kernels/cpu implements it (and is the
// reference), kernels/cuda implements it with the same file names; CMake picks what is built, no source asks.
//
// What always holds, for every backend:
//  * A row of a result depends on that row's inputs only: never on how many rows share the call, on the row's place
//    among them, or on the number of threads. Sums over K and over keys run in one fixed order. This is what makes a
//    fork equal the full forward bit for bit.
//  * "Compute type" is the model's dtype. Activations are values rounded to it, held in `activation_dtype()` (a CPU
//    holds them widened to float32). Accumulation is float32 or wider; the residual stream x is always float32 storage.
//  * Views given to one call do not overlap unless the comment says so. Index arrays are host memory; an operation is
//    done with them when it returns. Operations are ordered among themselves; `download` waits for them.
//  * Shapes are preconditions, checked by assertions, not user errors. Allocation failure throws Error.
//
// Shapes: R rows in the call, D hidden, H heads, K key/value heads, E head size, F feed-forward, V vocabulary;
// _r = this rank's share under tensor parallelism.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/synthetic.h"
#include "kernels/tensor.h"

namespace steergrid {

/// How a value leaves a GEMM: rounded to the compute type, or as the float32 accumulator (a tensor-parallel partial).
enum class Round { ToCompute, None };

/// Steering of the rows of one call: row r gets coefficient[r] * vectors[vector[r]] added; vector[r] < 0 adds nothing.
/// Both arrays are empty (no row is steered) or have R entries.
struct Steering {
  Matrix vectors;  // [vectors, D] float32
  std::span<const std::int32_t> vector;
  std::span<const float> coefficient;
};

/// Rows that attend together. The queries are rows [first_query, first_query + n_queries) of the sequence's own rows.
/// Its own keys and values are rows own_row.. of `k` and `v`, holding positions `position`, position+1, ...;
/// positions before `position` are read from rows prefix_row, prefix_row+1, ... (the prompt it was forked from).
/// Query i (absolute position position + first_query + i) sees all keys up to and including its own position.
struct Segment {
  std::int64_t own_row = 0;
  std::int64_t prefix_row = 0;
  std::int32_t position = 0;
  std::int32_t first_query = 0;
  std::int32_t n_queries = 0;
};

/// Logits that `head` holds in memory at a time, over all rows: what memory plans count. On a GPU each such part of the
/// rows ends with a wait.
inline constexpr std::int64_t kHeadLogits = std::int64_t{8} << 20, kGpuHeadLogits = std::int64_t{64} << 20;

/// Rows that go through a block together on a GPU, where they fit: several rounds of tiles for all its multiprocessors.
/// The products' algorithms are chosen for as many. Not measured.
inline constexpr std::int64_t kGpuChunkRows = 8192;

/// What the language-model head says about one row; under tensor parallelism, about this rank's slice of the
/// vocabulary.
struct HeadRow {
  double log_sum_exp = 0;       // natural log of sum over the slice of exp(logit)
  std::int32_t top_token = -1;  // lowest id among the largest logits, -1 if every logit is NaN
  float top_logit = 0;
  std::vector<float> selected;  // logits of the asked tokens; NaN where another rank holds the token
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;          // "cpu", "cuda"
  virtual std::string architecture() const = 0;  // part of a run's identity: CPU ISA or GPU architecture
  virtual std::string gemm_library() const = 0;  // part of a run's identity: library and version
  virtual DType compute_dtype() const = 0;
  virtual DType activation_dtype() const = 0;
  virtual DType weight_dtype() const = 0;  // how load_weight keeps values; wider where the machine lacks a product

  /// The queue its operations run in (a cudaStream_t), for who moves its memory in the same order. Null: tensors lie in
  /// host memory, and operations are done when they return.
  virtual void* queue() const { return nullptr; }

  // Memory. Contents of a fresh allocation are undefined.
  virtual Tensor allocate(std::int64_t rows, std::int64_t cols, DType dtype) = 0;
  virtual void upload(Matrix to, std::span<const std::byte> from) = 0;
  virtual void download(Matrix from, std::span<std::byte> to) = 0;

  /// At least `bytes` bytes. The memory must not outlive the backend.
  virtual HostMemory allocate_host(std::size_t bytes) = 0;
  /// Returns when everything asked of this backend so far is done, and memory it used may be freed or written.
  virtual void wait() = 0;
  /// The most bytes that this process has had, at a time and so far, of the memory its tensors lie in: on a GPU what
  /// all its backends there allocated (not the CUDA context), on a CPU the whole process.
  virtual std::int64_t peak_bytes() const = 0;
  /// Another backend of the same kind and device, with a queue of its own, for one other thread: the one that loads
  /// weights while this backend computes. What it has loaded serves both, and both load the same bits. May be called
  /// from that thread.
  virtual std::unique_ptr<Backend> sibling() const = 0;

  /// A weight [N, K] in the form `linear` wants, its values rounded to the compute type.
  virtual Tensor load_weight(const HostMatrix& from) = 0;
  /// The same form, filled with the values of a synthetic model (synthetic.h), which every compute type holds exactly.
  /// Loaded or made, a weight is whole when the call returns: a sibling may use it.
  virtual Tensor make_weight(const SyntheticPart& part) = 0;
  /// A norm's weight [1, D], values rounded to the compute type, kept as float32.
  virtual Tensor load_norm(const HostMatrix& from) = 0;

  /// x [R, D] = table[id - first_id] for ids inside the table's rows, 0 for all others (another rank holds those).
  virtual void embed(std::span<const std::int32_t> ids, const Tensor& table, std::int32_t first_id, Matrix x) = 0;

  /// x [R, D] += partials in their order (each [R, D], all float32 or all bfloat16), added in float32, rounded to
  /// `residual` (float32 or the compute type) after the sum; then
  /// x += fl(coefficient * vector), each step rounded to `residual`, for the steered rows;
  /// then, if h is not empty, h [R, D] = RMSNorm(x) * weight (Zhang & Sennrich 2019): statistics in float32 or wider,
  /// the normalised value rounded to the compute type before and after the multiplication, as Hugging Face does.
  virtual void residual_norm(Matrix x, std::span<const Matrix> partials, const Steering& steering, DType residual,
                             const Tensor& weight, float epsilon, Matrix h) = 0;

  /// out [R, N] = in [R, K] * weight[N, K]^T, fp32 accumulation. With Round::None `out` is float32, or bfloat16 where
  /// the compute type is too: then sums are rounded to it.
  virtual void linear(Matrix in, const Tensor& weight, Matrix out, Round round) = 0;

  /// Rotates q [R, H_r*E] and k [R, K_r*E] in place, halves paired (i, i + E/2), by the rows' positions (Su et al.
  /// 2021). cos_sin [positions, E] float32 holds E/2 cosines, then E/2 sines a position; see `rope_table`.
  virtual void rope(Matrix q, Matrix k, std::span<const std::int32_t> positions, const Tensor& cos_sin,
                    int head_size) = 0;

  /// out [R, H_r*E] = causal softmax attention, scale 1/sqrt(E), E even, softmax in float32. `q` and `out` hold the
  /// queries of the segments one after another (R = sum of n_queries); k and v [rows, K_r*E] hold every row in flight.
  /// H_r is a multiple of K_r: query head h reads key/value head h / (H_r / K_r).
  virtual void attention(Matrix q, Matrix k, Matrix v, std::span<const Segment> segments, int head_size,
                         Matrix out) = 0;

  /// out [R, F_r] = silu(gate) * up, both [R, F_r]; out may be gate.
  virtual void swiglu(Matrix gate, Matrix up, Matrix out) = 0;

  /// to[i] = from[rows[i]]; `to` and `from` may be parts of one allocation if the rows differ. Same cols and dtype.
  virtual void gather_rows(Matrix from, std::span<const std::int64_t> rows, Matrix to) = 0;

  /// Adds to `sums` (host, [D] f64) the differences x[a[i]] - x[b[i]] (subtraction in float32, i ascending), and to
  /// `norm_sum` the Euclidean norms of all those rows (f64).
  virtual void difference_sums(Matrix x, std::span<const std::int64_t> a, std::span<const std::int64_t> b,
                               std::span<double> sums, double& norm_sum) = 0;

  /// The head on h [R, D] with the table's rows as the vocabulary slice that begins at first_id. Logits are float32
  /// accumulators, the log-sum-exp runs in f64 in one fixed order of the slice.
  virtual std::vector<HeadRow> head(Matrix h, const Tensor& table, std::int32_t first_id,
                                    std::span<const std::int32_t> selected) = 0;
};

/// The CPU backend. `threads` <= 0 leaves OpenMP's own choice.
std::unique_ptr<Backend> make_cpu_backend(DType compute, int threads);

/// The CUDA backend, or an Error saying that this build has none (kernels/absent).
std::unique_ptr<Backend> make_cuda_backend(DType compute, int device);

/// Whether this build has one, with a GPU here or not.
bool has_cuda_backend();

struct Gpu {
  std::string name;         // "NVIDIA H100 80GB HBM3"
  std::string uuid;         // "GPU-5a1c..."
  std::int64_t memory = 0;  // bytes
};

/// The GPUs this process can use, by device number. Empty without one, without a driver, and in builds without CUDA.
std::vector<Gpu> visible_gpus();

/// Rotary table for `positions` positions: [positions, E] as `rope` wants it. Angles are formed in float32 as Hugging
/// Face does (position * theta^(-2i/E)), cosine and sine of that angle are correctly rounded.
std::vector<float> rope_table(int positions, int head_size, float theta);

}  // namespace steergrid
