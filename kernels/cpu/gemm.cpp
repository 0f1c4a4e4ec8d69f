// oneDNN behind gemm.h: descriptors, packed layouts, a cache of primitives.
//
// oneDNN reads the OpenMP thread count when a primitive is made (its blocking may depend on it) and when it runs. Both
// always happen with one thread here: `OneThread` around making, `Runner` around running.
#include "kernels/cpu/gemm.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

#include <cassert>
#include <map>
#include <tuple>

#include "base/error.h"

namespace steergrid {
namespace {

using dnnl::memory;

class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

dnnl::engine& cpu() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::desc plain_weight(std::int64_t n, std::int64_t k, memory::data_type type) {
  return {{k, n}, type, memory::dims{1, k}};  // a row of the checkpoint's [N, K] is a column here
}

dnnl::matmul::primitive_desc describe(int rows, std::int64_t n, std::int64_t k, memory::data_type type,
                                      const memory::desc& weight) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const memory::desc in({rows, k}, type, memory::format_tag::ab);
  const memory::desc out({rows, n}, memory::data_type::f32, memory::format_tag::ab);
  return {{in, weight, out}, attributes, cpu()};
}

dnnl::matmul::primitive_desc describe_any(std::int64_t n, std::int64_t k, memory::data_type type) {
  return describe(kLargeBlock, n, k, type, memory::desc({k, n}, type, memory::format_tag::any));
}

/// Where a blocked layout puts each index of one of its two dimensions (k is 0, n is 1); offsets of the two add up.
std::vector<std::int64_t> offsets_of(const memory::desc& desc, int dimension, std::int64_t count) {
  const auto& blocking = desc.data.format_desc.blocking;
  std::vector<std::int64_t> result(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t rest = i, offset = 0, stride = 1;
    for (int b = blocking.inner_nblks - 1; b >= 0; --b) {
      if (blocking.inner_idxs[b] == dimension) {
        offset += rest % blocking.inner_blks[b] * stride;
        rest /= blocking.inner_blks[b];
      }
      stride *= blocking.inner_blks[b];
    }
    result[static_cast<std::size_t>(i)] = offset + rest * blocking.strides[dimension];
  }
  return result;
}

}  // namespace

struct Gemm::Kernel {
  dnnl::matmul primitive;
  memory::desc in, weight, out, scratchpad;
};

struct Gemm::State {
  DType storage = DType::Float32;
  memory::data_type type = memory::data_type::f32;
  std::string kernel_name;
  struct Panel {
    memory::desc desc;
    dnnl::reorder pack;
    Layout layout;
    int smallest_block;
  };
  std::map<std::pair<std::int64_t, std::int64_t>, Panel> panels;
  std::map<std::tuple<int, std::int64_t, std::int64_t>, Kernel> kernels;
};

/// Kept by each thread from call to call.
struct Gemm::Runner::Memory {
  dnnl::stream stream{cpu()};
  std::vector<std::byte> scratch;
  std::vector<float> block = std::vector<float>(kLargeBlock * kPanel);
};

Gemm::Gemm(DType operand) : state_(std::make_unique<State>()) {
  const OneThread one;
  const auto name = [](memory::data_type type) -> std::string {
    try {
      return describe_any(kPanel, kPanel, type).impl_info_str();
    } catch (const dnnl::error&) {
      return {};  // no kernel of this type for this processor
    }
  };
  state_->kernel_name = name(memory::data_type::f32);
  if (operand != DType::BFloat16) return;
  const std::string bfloat16 = name(memory::data_type::bf16);
  // Names that begin otherwise are references or widen on the fly, slower than widening once.
  if (!bfloat16.starts_with("brg:")) return;
  state_->kernel_name = bfloat16;
  state_->storage = DType::BFloat16;
  state_->type = memory::data_type::bf16;
}

Gemm::~Gemm() = default;

DType Gemm::storage() const { return state_->storage; }

const std::string& Gemm::kernel_name() const { return state_->kernel_name; }

void Gemm::prepare(std::int64_t n, std::int64_t k) {
  assert(n > 0 && n <= kPanel && k > 0);
  if (state_->panels.contains({n, k})) return;
  const OneThread one;
  State::Panel panel;
  const auto any = describe_any(n, k, state_->type);
  panel.desc = any.weights_desc();
  assert(panel.desc.data.format_kind == dnnl_blocked);
  const memory::desc plain = plain_weight(n, k, state_->type);
  panel.pack = dnnl::reorder(dnnl::reorder::primitive_desc(cpu(), plain, cpu(), panel.desc));
  const auto small = describe(kSmallBlock, n, k, state_->type, panel.desc);
  const bool same_kernel = std::string_view(small.impl_info_str()) == any.impl_info_str();
  panel.smallest_block = same_kernel ? kSmallBlock : kLargeBlock;
  panel.layout = {offsets_of(panel.desc, 0, k), offsets_of(panel.desc, 1, n)};
  state_->panels.emplace(std::pair{n, k}, std::move(panel));
}

std::size_t Gemm::panel_bytes(std::int64_t n, std::int64_t k) {
  prepare(n, k);
  return (state_->panels.at({n, k}).desc.get_size() + 63) / 64 * 64;
}

const Gemm::Layout& Gemm::layout(std::int64_t n, std::int64_t k) {
  prepare(n, k);
  return state_->panels.at({n, k}).layout;
}

void Gemm::pack(std::int64_t n, std::int64_t k, const void* rows, void* panel) {
  const OneThread one;
  const State::Panel& shape = state_->panels.at({n, k});
  dnnl::stream stream(cpu());
  const memory from(plain_weight(n, k, state_->type), cpu(), const_cast<void*>(rows));
  const memory to(shape.desc, cpu(), panel);
  shape.pack.execute(stream, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  stream.wait();
}

int Gemm::smallest_block(std::int64_t n, std::int64_t k) {
  prepare(n, k);
  return state_->panels.at({n, k}).smallest_block;
}

const Gemm::Kernel& Gemm::kernel(int rows, std::int64_t n, std::int64_t k) {
  prepare(n, k);
  const auto [at, is_new] = state_->kernels.try_emplace({rows, n, k});
  if (!is_new) return at->second;
  const OneThread one;
  const State::Panel& panel = state_->panels.at({n, k});
  assert(rows >= panel.smallest_block);
  const auto desc = describe(rows, n, k, state_->type, panel.desc);
  at->second = {dnnl::matmul(desc), desc.src_desc(), desc.weights_desc(), desc.dst_desc(), desc.scratchpad_desc()};
  return at->second;
}

Gemm::Runner::Runner() : threads_before_(omp_get_max_threads()) {
  thread_local Memory memory;
  memory_ = &memory;
  omp_set_num_threads(1);
}

Gemm::Runner::~Runner() { omp_set_num_threads(threads_before_); }

float* Gemm::Runner::block() { return memory_->block.data(); }

void Gemm::Runner::multiply(const Kernel& kernel, const void* in, const void* panel, float* out) {
  const std::size_t scratch = kernel.scratchpad.get_size() + 64;
  if (memory_->scratch.size() < scratch) memory_->scratch.resize(scratch);
  const auto start = (reinterpret_cast<std::uintptr_t>(memory_->scratch.data()) + 63) / 64 * 64;
  const memory in_memory(kernel.in, cpu(), const_cast<void*>(in));
  const memory panel_memory(kernel.weight, cpu(), const_cast<void*>(panel));
  const memory out_memory(kernel.out, cpu(), out);
  const memory scratchpad(kernel.scratchpad, cpu(), reinterpret_cast<void*>(start));
  kernel.primitive.execute(memory_->stream, {{DNNL_ARG_SRC, in_memory},
                                             {DNNL_ARG_WEIGHTS, panel_memory},
                                             {DNNL_ARG_DST, out_memory},
                                             {DNNL_ARG_SCRATCHPAD, scratchpad}});
  memory_->stream.wait();
}

}  // namespace steergrid
