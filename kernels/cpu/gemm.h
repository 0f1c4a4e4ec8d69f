// Matrix products by oneDNN, cut so that a row's bits depend on nothing but the row.
//
// What makes that so: weights are packed into panels of at most 256 outputs; rows go through in blocks of 64 and 16
// (the last block padded with zero rows), so each panel shape knows two primitives however many rows a call has; each
// block runs on one thread; the threads share out blocks, never a block or a sum. oneDNN's choices see the block's
// shape only. Where it takes another kernel for 16 rows than for 64 (AMX does, for narrow panels), that panel shape
// goes through in blocks of 64 alone. (Measured with 2.6.3: with AVX-512 rows do not depend on M at all; with AVX2, AVX
// and SSE4.1 they do, at M = 1, M mod 4 != 0 and in the no-copy path of wide N, but all rows of all 16- and 64-row
// blocks agree. The tests repeat this on the machine at hand, for every instruction set it has.)
//
// bfloat16 products run on bfloat16 operands where oneDNN has such a kernel (AVX512_BF16, AMX); everywhere else, and
// for float16, the operands are float32 numbers rounded to the type. Both are sums of exact products.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/tensor.h"

namespace steergrid {

inline constexpr std::int64_t kPanel = 256;  // outputs (rows of a weight) a panel holds
inline constexpr int kLargeBlock = 64;       // rows a block holds
inline constexpr int kSmallBlock = 16;

class Gemm {
 public:
  /// `operand` is the compute type of the model.
  explicit Gemm(DType operand);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /// The type weights and inputs are stored in: BFloat16 where there is such a kernel, else Float32.
  DType storage() const;
  /// oneDNN's name for the kernel, "brg:avx512_core_bf16": tells instruction sets apart that give different bits.
  const std::string& kernel_name() const;

  /// Bytes of one packed panel of `n` <= kPanel outputs.
  std::size_t panel_bytes(std::int64_t n, std::int64_t k);
  /// Element of the panel where output 0's value for each k lies, and how far on each output's values lie from there.
  struct Layout {
    std::vector<std::int64_t> k_offset, n_offset;
  };
  const Layout& layout(std::int64_t n, std::int64_t k);

  /// Prepares for `pack` and `multiply` of one panel shape (not thread-safe; these two then are).
  void prepare(std::int64_t n, std::int64_t k);
  void pack(std::int64_t n, std::int64_t k, const void* rows, void* panel);

  /// The rows of the smallest block this panel shape may use: kSmallBlock, or kLargeBlock where oneDNN would take
  /// another kernel for fewer rows, with other bits.
  int smallest_block(std::int64_t n, std::int64_t k);

  /// The primitive for blocks of `rows` (kLargeBlock, or kSmallBlock where that is the smallest block). It writes
  /// [rows, n] without gaps: with a row stride oneDNN falls back to its reference, slow and with other bits.
  struct Kernel;
  const Kernel& kernel(int rows, std::int64_t n, std::int64_t k);

  /// Runs kernels on the thread that makes it, and keeps oneDNN to that thread.
  class Runner {
   public:
    Runner();
    ~Runner();
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    void multiply(const Kernel& kernel, const void* in, const void* panel, float* out);
    /// Room for the result of any block.
    float* block();

   private:
    struct Memory;
    Memory* memory_;
    int threads_before_;
  };

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steergrid
