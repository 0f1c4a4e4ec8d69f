// The only place that knows hdf5.h: handles that close themselves and calls that throw.
//
// Private to store's .cpp files (and its tests). `start_hdf5` comes before anything else: it takes away HDF5's atexit
// handler, which would wait in a collective close on failure paths, its habit of printing errors, and its way of
// following links into other files. A file opened over MPI must not be closed by a destructor (that is collective): its
// owner lets such handles go with `release`.
#pragma once

#include <hdf5.h>
#include <hdf5_hl.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "comm/mpi_handle.h"
#include "store/schema.h"

namespace steergrid::store {

/// Once a process, before any other HDF5 call; calling it again does nothing. From then on no link to another file is
/// followed: opening what lies behind one fails, and the Error says so.
void start_hdf5();

/// Throws Error: "FILE: TRIED failed: what HDF5 says, innermost first".
[[noreturn]] void hdf5_failed(ExitCode code, const std::string& file, const std::string& tried);

/// An HDF5 id that is closed at the end of its life.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close how) : id_(id), close_(how) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() { close(); }

  hid_t id() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  /// Whether closing went well.
  bool close() { return id_ < 0 || close_(std::exchange(id_, -1)) >= 0; }
  hid_t release() { return std::exchange(id_, -1); }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

/// What is being done to which file: turns negative results into Errors with that sentence.
class Doing {
 public:
  explicit Doing(std::string file, ExitCode code = ExitCode::Failed) : file_(std::move(file)), code_(code) {}

  Handle handle(hid_t id, Handle::Close how, const std::string& tried) const {
    if (id < 0) hdf5_failed(code_, file_, tried);
    return {id, how};
  }
  template <class Result>
  Result check(Result result, const std::string& tried) const {
    if (result < 0) hdf5_failed(code_, file_, tried);
    return result;
  }
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  ExitCode code_;
};

/// The type of the elements in the file, which is also their type in memory.
Handle type_of(ElementType type);
Handle text_type();  // UTF-8, of variable length

/// Opens read-only with the serial driver and without file locking, as a reader of a file that may be written to.
/// Throws Error (bad input): missing, empty, not HDF5, truncated.
Handle open_to_read(const std::string& path);

/// The same for a result file. Throws Error (bad input) where it is none, or of another format version.
Handle open_result_file(const std::string& path);

/// Opens for writing with the mpio driver. Collective over `comm`, as is closing.
Handle open_over_mpi(const Doing& doing, const std::string& path, MPI_Comm comm);
/// The transfer property list of independent reads and writes.
Handle independent_transfer(const Doing& doing);

/// Throws Error (bad input) unless the data of `dataset` is contiguous and in the file itself: external or virtual data
/// would show any other file as results, and writing to it would overwrite that file.
void check_data_inside(const Doing& doing, hid_t dataset, const std::string& name);

/// A text attribute or an integer one. Throws Error where it is missing or of another kind.
std::string read_text_attribute(const Doing& doing, hid_t object, const char* owner, const char* name);
std::int64_t read_int_attribute(const Doing& doing, hid_t object, const char* owner, const char* name);
/// Names of a group's members. Throws Error where there are more than a million.
std::vector<std::string> member_names(const Doing& doing, hid_t group, const std::string& name);
/// A scalar text dataset.
std::string read_text(const Doing& doing, hid_t file, const std::string& dataset);

}  // namespace steergrid::store
