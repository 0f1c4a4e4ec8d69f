#include "gemm_rate.h"

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <random>
#include <vector>

#include "base/clock.h"

namespace steergrid {
namespace {

struct Gemm {
  int n, k;
  double flops(int rows) const { return 2.0 * rows * n * k; }
};

/// Memory filled with normal values (never zeros: they can run faster).
dnnl::memory random_memory(const dnnl::memory::desc& desc, const dnnl::engine& engine, dnnl::stream& stream) {
  const dnnl::memory::desc plain(desc.dims(), dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab);
  dnnl::memory source(plain, engine), target(desc, engine);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 1);
  auto* values = static_cast<float*>(source.get_data_handle());
  std::generate_n(values, plain.get_size() / sizeof(float), [&] { return normal(random); });
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
  return target;
}

double seconds_of(const Gemm& gemm, DType dtype, int rows, double at_least) {
  using dnnl::memory;
  const auto type = dtype == DType::BFloat16 ? memory::data_type::bf16 : memory::data_type::f32;
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc in({rows, gemm.k}, type, memory::format_tag::ab);
  const memory::desc weight({gemm.k, gemm.n}, type, memory::format_tag::ba);
  const memory::desc out({rows, gemm.n}, memory::data_type::f32, memory::format_tag::ab);
  const dnnl::matmul matmul(dnnl::matmul::primitive_desc(dnnl::matmul::desc(in, weight, out), engine));
  memory a = random_memory(in, engine, stream), b = random_memory(weight, engine, stream), c(out, engine);
  double best = 1e30;
  for (int trial = 0; trial < 3; ++trial) {
    int repeats = 0;
    const double start = monotonic_seconds();
    double elapsed = 0;
    do {
      matmul.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
      stream.wait();
      ++repeats;
      elapsed = monotonic_seconds() - start;
    } while (elapsed < at_least);
    best = std::min(best, elapsed / repeats);
  }
  return best;
}

}  // namespace

double onednn_block_rate(const ModelShape& s, DType dtype, int rows, double seconds) {
  const int query = s.n_heads * s.head_size, key = s.n_kv_heads * s.head_size;
  const Gemm gemms[] = {{query, s.hidden},
                        {key, s.hidden},
                        {key, s.hidden},
                        {s.hidden, query},
                        {s.feed_forward, s.hidden},
                        {s.feed_forward, s.hidden},
                        {s.hidden, s.feed_forward}};
  double flops = 0, time = 0;
  for (const Gemm& g : gemms) {
    flops += g.flops(rows);
    time += seconds_of(g, dtype, rows, seconds);
  }
  return flops / time / 1e9;
}

}  // namespace steergrid
