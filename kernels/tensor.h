// Two-dimensional arrays on a backend's memory: an owner (`Tensor`) and views (`Matrix`). Rows are packed items,
// columns are contiguous. Nothing here computes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/dtype.h"

namespace steergrid {

/// A view of [rows, cols] values in backend memory, row-major without gaps.
struct Matrix {
  void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  DType dtype = DType::Float32;

  std::size_t bytes() const { return static_cast<std::size_t>(rows * cols) * size_of(dtype); }
  bool empty() const { return rows == 0 || cols == 0; }
  Matrix row_range(std::int64_t first, std::int64_t count) const {
    return {static_cast<std::byte*>(data) + static_cast<std::size_t>(first * cols) * size_of(dtype), count, cols,
            dtype};
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

/// A view of [rows, cols] values in host memory whose rows are `stride` elements apart: a slice of a mapped checkpoint.
struct HostMatrix {
  const std::byte* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;
  DType dtype = DType::Float32;
};

/// Host memory that a backend's loads read from fastest (pinned, where there is such a thing); made by
/// `Backend::allocate_host`.
using HostMemory = std::unique_ptr<void, std::function<void(void*)>>;

/// Owns backend memory; made by `Backend::allocate`.
class Tensor {
 public:
  using Free = std::function<void(void*)>;
  Tensor() = default;
  Tensor(Matrix view, Free free) : memory_(view.data, std::move(free)), view_(view) {}

  const Matrix& view() const { return view_; }
  Matrix row_range(std::int64_t first, std::int64_t count) const { return view_.row_range(first, count); }
  bool empty() const { return view_.empty(); }

 private:
  std::unique_ptr<void, Free> memory_{nullptr, [](void*) {}};
  Matrix view_;
};

}  // namespace steergrid
