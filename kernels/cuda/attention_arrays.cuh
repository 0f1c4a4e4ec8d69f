// What both attention kernels are given: where queries, keys, values and results lie.
#pragma once

#include <cstdint>

namespace steergrid {
namespace {

constexpr unsigned kAllLanes = 0xffffffffu;  // of a warp

template <class T>
struct Arrays {
  const T *q, *k, *v;
  T* out;
  std::int64_t q_cols, kv_cols;
  int head_size, group;  // query heads a key/value head serves
  float scale;
};

}  // namespace
}  // namespace steergrid
