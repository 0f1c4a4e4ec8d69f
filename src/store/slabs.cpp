#include "store/slabs.h"

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace steergrid::store {
namespace {
constexpr std::uint64_t kMostBytes = std::uint64_t{256} << 20;  // a call
}

Slabs::Dataset& Slabs::dataset(const std::string& path, ElementType type) {
  if (const auto found = open_.find(path); found != open_.end()) return found->second;
  const std::string what = "opening " + path;
  Dataset d;
  d.id = doing_.handle(H5Dopen2(file_, path.c_str(), H5P_DEFAULT), H5Dclose, what);
  check_data_inside(doing_, d.id.id(), path);
  d.type = type_of(type);
  d.space = doing_.handle(H5Dget_space(d.id.id()), H5Sclose, what);
  const Handle in_file = doing_.handle(H5Dget_type(d.id.id()), H5Tclose, what);
  if (doing_.check(H5Tequal(in_file.id(), d.type.id()), what) == 0)
    failed("{}: {}: its elements are not {}", doing_.file(), path, name_of(type));
  const int rank = doing_.check(H5Sget_simple_extent_ndims(d.space.id()), what);
  d.dims.resize(static_cast<std::size_t>(rank));
  if (rank == 0) failed("{}: {}: a scalar where rows are expected", doing_.file(), path);
  doing_.check(H5Sget_simple_extent_dims(d.space.id(), d.dims.data(), nullptr), what);
  for (std::size_t i = 1; i < d.dims.size(); ++i) d.row_elements *= d.dims[i];
  return open_.emplace(path, std::move(d)).first->second;
}

Handle Slabs::select(Dataset& d, const std::string& what, std::uint64_t first, std::uint64_t rows,
                     std::uint64_t count) {
  if (rows > d.dims[0] || first > d.dims[0] - rows)
    failed("{}: {} failed: rows {} to {} of {}", doing_.file(), what, first, first + rows, d.dims[0]);
  if (count != rows * d.row_elements)
    failed("{}: {} failed: {} values for {} rows of {}", doing_.file(), what, count, rows, d.row_elements);
  std::vector<hsize_t> start(d.dims.size(), 0), extent = d.dims;
  start[0] = first;
  extent[0] = rows;
  doing_.check(H5Sselect_hyperslab(d.space.id(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr), what);
  const hsize_t flat = count;
  return doing_.handle(H5Screate_simple(1, &flat, nullptr), H5Sclose, what);
}

void Slabs::move(const std::string& path, ElementType type, const std::string& what, std::uint64_t first,
                 std::uint64_t rows, std::uint64_t count, const Transfer& transfer) {
  Dataset& d = dataset(path, type);
  if (count != rows * d.row_elements) select(d, what, first, rows, count);  // throws, with the numbers
  const std::uint64_t row_bytes = d.row_elements * size_of(type);
  const std::uint64_t step = std::max<std::uint64_t>(1, kMostBytes / std::max<std::uint64_t>(1, row_bytes));
  for (std::uint64_t done = 0; done < rows && row_bytes > 0; done += step) {
    const std::uint64_t now = std::min(step, rows - done);
    const Handle memory = select(d, what, first + done, now, now * d.row_elements);
    errno = 0;
    doing_.check(transfer(d, memory.id(), done * row_bytes), what);
  }
}

void Slabs::write(const std::string& path, ElementType type, std::uint64_t first, std::uint64_t rows, const void* data,
                  std::uint64_t count) {
  const auto* from = static_cast<const std::byte*>(data);
  move(path, type, "writing " + path, first, rows, count, [&](const Dataset& d, hid_t memory, std::uint64_t byte) {
    return H5Dwrite(d.id.id(), d.type.id(), memory, d.space.id(), transfer_, from + byte);
  });
}

void Slabs::read(const std::string& path, ElementType type, std::uint64_t first, std::uint64_t rows, void* data,
                 std::uint64_t count) {
  auto* to = static_cast<std::byte*>(data);
  move(path, type, "reading " + path, first, rows, count, [&](const Dataset& d, hid_t memory, std::uint64_t byte) {
    return H5Dread(d.id.id(), d.type.id(), memory, d.space.id(), transfer_, to + byte);
  });
}

void Slabs::release() {
  for (auto& [path, d] : open_)
    for (Handle* handle : {&d.id, &d.type, &d.space}) handle->release();
  open_.clear();
}

}  // namespace steergrid::store
