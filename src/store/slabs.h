// Rows of contiguous datasets, written and read independently: the one way in which a run touches its file.
//
// A dataset is opened when first used and stays open; its data must lie in the file itself. The first axis counts rows;
// a slab is whole rows, so it is one contiguous piece of the file. Memory type and file type are the same, which is
// checked: HDF5 converts nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "store/hdf5.h"

namespace steergrid::store {

class Slabs {
 public:
  /// `file` stays the caller's. `transfer`: a data transfer property list, or H5P_DEFAULT.
  Slabs(const Doing& doing, hid_t file, hid_t transfer) : doing_(doing), file_(file), transfer_(transfer) {}

  /// Throws Error: other type than `type`, rows outside, or another number of values than the rows hold.
  void write(const std::string& path, ElementType type, std::uint64_t first, std::uint64_t rows, const void* data,
             std::uint64_t count);
  void read(const std::string& path, ElementType type, std::uint64_t first, std::uint64_t rows, void* data,
            std::uint64_t count);
  std::uint64_t row_elements(const std::string& path, ElementType type) { return dataset(path, type).row_elements; }
  std::uint64_t rows(const std::string& path, ElementType type) { return dataset(path, type).dims.at(0); }

  /// Closes all datasets, or (failure paths of a file opened over MPI) lets them go.
  void close() { open_.clear(); }
  void release();

 private:
  struct Dataset {
    Handle id, type, space;
    std::vector<hsize_t> dims;
    std::uint64_t row_elements = 1;
  };
  Dataset& dataset(const std::string& path, ElementType type);
  /// Selects rows in the file; returns the matching space in memory.
  Handle select(Dataset& d, const std::string& what, std::uint64_t first, std::uint64_t rows, std::uint64_t count);

  /// Moves one contiguous piece: the dataset with its rows selected, their space in memory, the first byte there.
  using Transfer = std::function<herr_t(const Dataset& d, hid_t memory, std::uint64_t byte)>;
  /// Moves rows in pieces that MPI-IO can count.
  void move(const std::string& path, ElementType type, const std::string& what, std::uint64_t first, std::uint64_t rows,
            std::uint64_t count, const Transfer& transfer);

  Doing doing_;
  hid_t file_, transfer_;
  std::map<std::string, Dataset> open_;
};

}  // namespace steergrid::store
