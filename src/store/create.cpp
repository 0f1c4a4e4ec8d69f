// Goes through the schema's table; only the values that exist now are written.
#include "store/create.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/error.h"
#include "store/hdf5.h"
#include "store/schema.h"

namespace steergrid::store {
namespace {

namespace fs = std::filesystem;

std::string folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

std::string gib(std::uint64_t bytes) { return fmt::format("{:.3g} GiB", static_cast<double>(bytes) / 0x1p30); }

void check_space(const std::string& path, std::uint64_t needed) {
  struct statvfs info = {};
  if (::statvfs(folder_of(path).c_str(), &info) != 0)
    failed("{}: the folder's file system does not answer ({})", path, std::strerror(errno));
  const std::uint64_t free = std::uint64_t{info.f_bavail} * info.f_frsize;
  if (free < needed) failed("{}: the result file needs {}, the disk has {} free", path, gib(needed), gib(free));
}

void set_fill(const Doing& doing, const DatasetSpec& d, hid_t type, hid_t properties) {
  const std::string what = "preparing " + d.path();
  if (d.fill == Fill::Unwritten) {
    doing.check(H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER), what);
    return;
  }
  const double f64 = std::numeric_limits<double>::quiet_NaN();
  const float f32 = std::numeric_limits<float>::quiet_NaN();
  const std::int32_t minus_one = -1;
  const void* value = nullptr;
  if (d.fill == Fill::NotANumber) value = d.type == ElementType::F64 ? static_cast<const void*>(&f64) : &f32;
  if (d.fill == Fill::MinusOne) value = &minus_one;
  if (value != nullptr) doing.check(H5Pset_fill_value(properties, type, value), what);
  doing.check(H5Pset_fill_time(properties, H5D_FILL_TIME_ALLOC), what);
}

/// HDF5 texts end at the first NUL, which JSON allows inside a question: it becomes U+FFFD.
std::string without_nul(const std::string& text) {
  if (text.find('\0') == std::string::npos) return text;
  std::string clean;
  for (const char c : text) c == '\0' ? clean += "\xEF\xBF\xBD" : clean += c;
  return clean;
}

void write_text_attribute(const Doing& doing, hid_t object, const std::string& name, const std::string& value) {
  const std::string what = "writing the attribute " + name;
  Handle type = text_type();
  Handle space = doing.handle(H5Screate(H5S_SCALAR), H5Sclose, what);
  Handle attribute =
      doing.handle(H5Acreate2(object, name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, what);
  const std::string clean = without_nul(value);
  const char* text = clean.c_str();
  doing.check(H5Awrite(attribute.id(), type.id(), &text), what);
}

void write_attribute(const Doing& doing, hid_t file, const AttributeSpec& a) {
  const std::string what = fmt::format("writing the attribute {} of {}", a.name, a.owner);
  Handle owner = doing.handle(H5Oopen(file, a.owner.c_str(), H5P_DEFAULT), H5Oclose, what);
  if (const auto* text = std::get_if<std::string>(&a.value)) {
    write_text_attribute(doing, owner.id(), a.name, *text);
    return;
  }
  Handle space = doing.handle(H5Screate(H5S_SCALAR), H5Sclose, what);
  Handle attribute = doing.handle(
      H5Acreate2(owner.id(), a.name.c_str(), H5T_STD_I64LE, space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, what);
  const std::int64_t value = std::get<std::int64_t>(a.value);
  doing.check(H5Awrite(attribute.id(), H5T_NATIVE_INT64, &value), what);
}

void write_values(const Doing& doing, const DatasetSpec& d, hid_t dataset, hid_t type) {
  const auto write = [&](const void* data, std::size_t count) {
    if (count != d.elements()) failed("{}: {} values for {} places", d.path(), count, d.elements());
    if (count == 0) return;
    doing.check(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), "writing " + d.path());
  };
  if (const auto* i32 = std::get_if<std::vector<std::int32_t>>(&d.values)) write(i32->data(), i32->size());
  if (const auto* f64 = std::get_if<std::vector<double>>(&d.values)) write(f64->data(), f64->size());
  if (const auto* raw = std::get_if<std::vector<std::byte>>(&d.values))
    write(raw->data(), raw->size() / size_of(d.type));
  if (const auto* texts = std::get_if<std::vector<std::string>>(&d.values)) {
    std::vector<std::string> clean;
    std::transform(texts->begin(), texts->end(), std::back_inserter(clean), without_nul);
    std::vector<const char*> pointers;
    for (const std::string& text : clean) pointers.push_back(text.c_str());
    write(pointers.data(), pointers.size());
  }
}

void create_dataset(const Doing& doing, hid_t file, const DatasetSpec& d) {
  const std::string what = "creating " + d.path();
  std::vector<hsize_t> dims;
  for (const Axis& axis : d.axes) dims.push_back(axis.length);
  Handle type = type_of(d.type);
  Handle space = doing.handle(
      dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr),
      H5Sclose, what);
  Handle properties = doing.handle(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, what);
  doing.check(H5Pset_layout(properties.id(), H5D_CONTIGUOUS), what);
  doing.check(H5Pset_alloc_time(properties.id(), H5D_ALLOC_TIME_EARLY), what);
  set_fill(doing, d, type.id(), properties.id());
  Handle dataset =
      doing.handle(H5Dcreate2(file, d.path().c_str(), type.id(), space.id(), H5P_DEFAULT, properties.id(), H5P_DEFAULT),
                   H5Dclose, what);
  write_values(doing, d, dataset.id(), type.id());
  if (!d.description.empty()) write_text_attribute(doing, dataset.id(), "description", d.description);
  if (d.is_scale()) {
    doing.check(H5DSset_scale(dataset.id(), d.name.c_str()), what);
    return;
  }
  for (unsigned i = 0; i < d.axes.size(); ++i) {
    Handle scale = doing.handle(H5Dopen2(file, (d.group + "/" + d.axes[i].name).c_str(), H5P_DEFAULT), H5Dclose, what);
    doing.check(H5DSattach_scale(dataset.id(), scale.id(), i), what);
  }
}

void write_skeleton(const std::string& target, const Schema& schema, std::uint64_t alignment) {
  const Doing doing(target);
  std::uint64_t threshold = alignment;  // small arrays need no alignment, but the records must lie on it
  for (const DatasetSpec& d : schema.datasets)
    if (d.type == ElementType::UnitRecord) threshold = std::clamp<std::uint64_t>(d.bytes(), 64, threshold);
  Handle access = doing.handle(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "preparing");
  doing.check(H5Pset_libver_bounds(access.id(), H5F_LIBVER_EARLIEST, H5F_LIBVER_V18), "preparing");
  doing.check(H5Pset_alignment(access.id(), threshold, alignment), "preparing");
  doing.check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), "preparing");
  // store/lock has the lock, also where HDF5's own, which knows flock only, would fail.
  doing.check(H5Pset_file_locking(access.id(), false, true), "preparing");
  Handle file =
      doing.handle(H5Fcreate(target.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), H5Fclose, "creating the file");
  for (const std::string& name : schema.groups)
    doing.handle(H5Gcreate2(file.id(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose,
                 "creating " + name);
  for (const DatasetSpec& d : schema.datasets) create_dataset(doing, file.id(), d);
  for (const AttributeSpec& a : schema.attributes) write_attribute(doing, file.id(), a);
  if (!file.close()) hdf5_failed(ExitCode::Failed, target, "closing the file");
}

/// Takes the blocks that were not written yet, so that the disk cannot fill up later. Where the file system does not
/// know how, nothing happens.
void reserve(int fd, const std::string& target) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size > 0 && ::fallocate(fd, 0, 0, size) != 0 && errno == ENOSPC)
    failed("{}: the result file needs {}, the disk has less", target, gib(static_cast<std::uint64_t>(size)));
}

void sync_path(const std::string& path, int flags, const CreateOptions* options) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) failed("{}: cannot be opened again ({})", path, std::strerror(errno));
  try {
    if (options != nullptr && options->reserve_space) reserve(fd, path);
    if (::fsync(fd) != 0) failed("{}: fsync failed ({})", path, std::strerror(errno));
  } catch (...) {
    ::close(fd);
    throw;
  }
  ::close(fd);
}

void rename_without_overwriting(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno != EEXIST) {  // not every file system knows that: a hard link refuses as well, and the lock is held
    if (::link(from.c_str(), to.c_str()) == 0) {
      ::unlink(from.c_str());
      return;
    }
    if (errno != EEXIST && !fs::exists(to) && ::rename(from.c_str(), to.c_str()) == 0) return;
  }
  failed("{}: cannot be put in its place ({})", to, std::strerror(errno));
}

}  // namespace

std::uint64_t result_file_bytes(const Plan& plan, const SweepSpec& spec) { return make_schema(plan, spec, {}).bytes(); }

void create_result_file(const std::string& path, const Plan& plan, const SweepSpec& spec, const Provenance& provenance,
                        const CreateOptions& options) {
  start_hdf5();
  const Schema schema = make_schema(plan, spec, provenance);
  std::error_code error;
  fs::create_directories(folder_of(path), error);
  if (error) failed("{}: the folder cannot be made ({})", path, error.message());
  if (fs::exists(path)) failed("{}: expected no file of this name, found one", path);
  if (::access(folder_of(path).c_str(), W_OK) != 0)
    failed("{}: the folder cannot be written to ({})", path, std::strerror(errno));
  check_space(path, schema.bytes());
  const std::string unfinished = path + ".tmp";
  try {
    errno = 0;
    write_skeleton(unfinished, schema, options.alignment);
    sync_path(unfinished, O_RDWR, &options);
    rename_without_overwriting(unfinished, path);
  } catch (...) {
    ::unlink(unfinished.c_str());
    throw;
  }
  sync_path(folder_of(path), O_RDONLY | O_DIRECTORY, nullptr);
}

}  // namespace steergrid::store
