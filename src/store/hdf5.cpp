#include "store/hdf5.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "store/records.h"

namespace steergrid::store {
namespace {

herr_t collect(unsigned, const H5E_error2_t* error, void* into) {
  auto& lines = *static_cast<std::vector<std::string>*>(into);
  if (error->desc != nullptr && *error->desc != '\0') lines.emplace_back(error->desc);
  return 0;
}

/// The innermost two messages of the error stack: the outer ones only say who called whom.
std::string error_stack() {
  std::vector<std::string> lines;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, collect, &lines);
  H5Eclear2(H5E_DEFAULT);
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(2, lines.size()); ++i) text += (i == 0 ? "" : "; ") + lines[i];
  return text.empty() ? "no reason given" : text;
}

/// What HDF5 calls where it would follow a link to another file: a result file is all in one file.
hid_t refuse_link(const char*, hid_t, const void*, std::size_t, hid_t, hid_t) {
  H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_LINK, H5E_TRAVERSE,
           "expected an object of the file itself, found a link to another file");
  return -1;
}

/// As bytes: netCDF4 crashes on texts inside records.
void insert_text(hid_t compound, const char* name, std::size_t offset, std::size_t bytes) {
  const hsize_t length = bytes;
  const Handle text(H5Tarray_create2(H5T_STD_U8LE, 1, &length), H5Tclose);
  H5Tinsert(compound, name, offset, text.id());
}

Handle unit_record_type() {
  using R = UnitRecord;
  Handle type(H5Tcreate(H5T_COMPOUND, sizeof(R)), H5Tclose);
  const auto field = [&](const char* name, std::size_t offset, hid_t of) { H5Tinsert(type.id(), name, offset, of); };
  field("state", offsetof(R, state), H5T_STD_U32LE);
  field("attempt", offsetof(R, attempt), H5T_STD_U32LE);
  field("flags", offsetof(R, flags), H5T_STD_U32LE);
  field("launch", offsetof(R, launch), H5T_STD_U32LE);
  field("crc", offsetof(R, crc), H5T_STD_U64LE);
  field("started", offsetof(R, started), H5T_STD_I64LE);
  field("finished", offsetof(R, finished), H5T_STD_I64LE);
  field("content", offsetof(R, content), H5T_STD_U64LE);
  field("team", offsetof(R, team), H5T_STD_U32LE);
  field("ranks", offsetof(R, ranks), H5T_STD_U32LE);
  field("reserved", offsetof(R, reserved), H5T_STD_U64LE);
  return type;
}

Handle launch_record_type() {
  using R = LaunchRecord;
  Handle type(H5Tcreate(H5T_COMPOUND, sizeof(R)), H5Tclose);
  H5Tinsert(type.id(), "started", offsetof(R, started), H5T_STD_I64LE);
  H5Tinsert(type.id(), "ranks", offsetof(R, ranks), H5T_STD_U32LE);
  H5Tinsert(type.id(), "pid", offsetof(R, pid), H5T_STD_U32LE);
  insert_text(type.id(), "host", offsetof(R, host), sizeof(R::host));
  insert_text(type.id(), "binary", offsetof(R, binary), sizeof(R::binary));
  insert_text(type.id(), "devices", offsetof(R, devices), sizeof(R::devices));
  return type;
}

/// IEEE binary16: HDF5 has no name for it, but a float of 16 bits with these fields.
Handle half_type() {
  Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(type.id(), 15, 10, 5, 0, 10);
  H5Tset_size(type.id(), 2);
  H5Tset_ebias(type.id(), 15);
  return type;
}

/// What holds one value: an attribute or a dataset, with its type and how many elements it has.
struct Single {
  Handle object, type;
  hssize_t elements;
};

Single open_attribute(const Doing& doing, hid_t object, const char* name, const std::string& what) {
  Handle attribute = doing.handle(H5Aopen(object, name, H5P_DEFAULT), H5Aclose, what);
  Handle type = doing.handle(H5Aget_type(attribute.id()), H5Tclose, what);
  const Handle space = doing.handle(H5Aget_space(attribute.id()), H5Sclose, what);
  return {std::move(attribute), std::move(type), H5Sget_simple_extent_npoints(space.id())};
}

Single open_dataset(const Doing& doing, hid_t file, const std::string& name, const std::string& what) {
  Handle data = doing.handle(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose, what);
  check_data_inside(doing, data.id(), name);
  Handle type = doing.handle(H5Dget_type(data.id()), H5Tclose, what);
  const Handle space = doing.handle(H5Dget_space(data.id()), H5Sclose, what);
  return {std::move(data), std::move(type), H5Sget_simple_extent_npoints(space.id())};
}

/// The one text that `from` holds; `read` takes it from HDF5, which allocates it.
std::string text_of(const Doing& doing, const Single& from, const std::string& what, auto&& read) {
  if (H5Tget_class(from.type.id()) != H5T_STRING || H5Tis_variable_str(from.type.id()) <= 0 || from.elements != 1)
    bad_input("{}: {}: expected one text of variable length", doing.file(), what);
  char* text = nullptr;
  doing.check(read(&text), what);
  std::string result = text == nullptr ? "" : text;
  H5free_memory(text);
  return result;
}

std::string attribute_of(const char* owner, const char* name) {
  return fmt::format("reading the attribute {} of {}", name, owner);
}

}  // namespace

void start_hdf5() {
  static std::once_flag once;
  std::call_once(once, [] {
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5L_class_t links = {};
    links.version = H5L_LINK_CLASS_T_VERS;
    links.id = H5L_TYPE_EXTERNAL;
    links.trav_func = refuse_link;
    Doing("HDF5").check(H5Lregister(&links), "refusing links to other files");
  });
}

void hdf5_failed(ExitCode code, const std::string& file, const std::string& tried) {
  const int system = errno;
  const std::string why = error_stack();
  const bool say = system != 0 && why.find("errno") == std::string::npos;
  throw Error(code, fmt::format("{}: {} failed: {}{}", file, tried, why,
                                say ? fmt::format(" (last system error: {})", std::strerror(system)) : ""));
}

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.id(), H5T_VARIABLE);
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  return type;
}

Handle type_of(ElementType type) {
  const auto copy = [](hid_t of) { return Handle(H5Tcopy(of), H5Tclose); };
  switch (type) {
    case ElementType::U8: return copy(H5T_STD_U8LE);
    case ElementType::I32: return copy(H5T_STD_I32LE);
    case ElementType::F16: return half_type();
    case ElementType::F32: return copy(H5T_IEEE_F32LE);
    case ElementType::F64: return copy(H5T_IEEE_F64LE);
    case ElementType::Text: return text_type();
    case ElementType::UnitRecord: return unit_record_type();
    case ElementType::LaunchRecord: return launch_record_type();
  }
  return {};
}

Handle open_to_read(const std::string& path) {
  start_hdf5();
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0)
    bad_input("{}: expected a result file, found none ({})", path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) bad_input("{}: expected a result file, found no regular file", path);
  if (info.st_size == 0) bad_input("{}: expected a result file, found an empty file", path);
  const Doing doing(path, ExitCode::BadInput);
  errno = 0;
  const htri_t known = H5Fis_hdf5(path.c_str());
  if (known < 0) hdf5_failed(ExitCode::BadInput, path, "reading the beginning");
  if (known == 0) bad_input("{}: expected an HDF5 file, found another kind of file", path);
  Handle access = doing.handle(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "preparing to read");
  doing.check(H5Pset_file_locking(access.id(), false, true), "preparing to read");
  doing.check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), "preparing to read");
  return doing.handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose, "opening the file");
}

Handle open_result_file(const std::string& path) {
  Handle file = open_to_read(path);
  if (H5Aexists(file.id(), "format_version") <= 0)
    bad_input("{}: expected a SteerGrid result file, found an HDF5 file without format_version", path);
  const std::int64_t version = read_int_attribute(Doing(path, ExitCode::BadInput), file.id(), "/", "format_version");
  if (version != kFormatVersion) bad_input("{}: expected format version {}, found {}", path, kFormatVersion, version);
  return file;
}

Handle open_over_mpi(const Doing& doing, const std::string& path, MPI_Comm comm) {
  Handle access = doing.handle(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "preparing to open");
  doing.check(H5Pset_fapl_mpio(access.id(), comm, MPI_INFO_NULL), "preparing to open");
  doing.check(H5Pset_libver_bounds(access.id(), H5F_LIBVER_EARLIEST, H5F_LIBVER_V18), "preparing to open");
  doing.check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), "preparing to open");
  return doing.handle(H5Fopen(path.c_str(), H5F_ACC_RDWR, access.id()), H5Fclose, "opening for writing");
}

Handle independent_transfer(const Doing& doing) {
  Handle transfer = doing.handle(H5Pcreate(H5P_DATASET_XFER), H5Pclose, "preparing to write");
  doing.check(H5Pset_dxpl_mpio(transfer.id(), H5FD_MPIO_INDEPENDENT), "preparing to write");
  return transfer;
}

void check_data_inside(const Doing& doing, hid_t dataset, const std::string& name) {
  const Handle properties = doing.handle(H5Dget_create_plist(dataset), H5Pclose, "looking at " + name);
  if (H5Pget_layout(properties.id()) != H5D_CONTIGUOUS || H5Pget_external_count(properties.id()) != 0)
    bad_input("{}: {}: expected its data inside the file, contiguous", doing.file(), name);
}

std::string read_text_attribute(const Doing& doing, hid_t object, const char* owner, const char* name) {
  const std::string what = attribute_of(owner, name);
  const Single from = open_attribute(doing, object, name, what);
  return text_of(doing, from, what, [&](char** to) { return H5Aread(from.object.id(), from.type.id(), to); });
}

std::int64_t read_int_attribute(const Doing& doing, hid_t object, const char* owner, const char* name) {
  const std::string what = attribute_of(owner, name);
  const Single from = open_attribute(doing, object, name, what);
  if (H5Tget_class(from.type.id()) != H5T_INTEGER || from.elements != 1)
    bad_input("{}: {}: expected one integer", doing.file(), what);
  std::int64_t value = 0;
  doing.check(H5Aread(from.object.id(), H5T_NATIVE_INT64, &value), what);
  return value;
}

std::vector<std::string> member_names(const Doing& doing, hid_t group, const std::string& name) {
  const std::string what = "listing " + name;
  H5G_info_t info = {};
  doing.check(H5Gget_info(group, &info), what);
  if (info.nlinks > 1'000'000) bad_input("{}: {}: {} members", doing.file(), what, info.nlinks);
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const ssize_t length =
        doing.check(H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT), what);
    std::string member(static_cast<std::size_t>(length), '\0');
    doing.check(
        H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, member.data(), member.size() + 1, H5P_DEFAULT),
        what);
    names.push_back(std::move(member));
  }
  return names;
}

std::string read_text(const Doing& doing, hid_t file, const std::string& dataset) {
  const std::string what = "reading " + dataset;
  const Single from = open_dataset(doing, file, dataset, what);
  return text_of(doing, from, what, [&](char** to) {
    return H5Dread(from.object.id(), from.type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, to);
  });
}

}  // namespace steergrid::store
