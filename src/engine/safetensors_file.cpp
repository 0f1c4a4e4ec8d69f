#include "engine/safetensors_file.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>

#include "engine/json_check.h"
#include "engine/lfs_pointer.h"
#include "engine/problems.h"

namespace steergrid {

namespace {

using nlohmann::json;

constexpr std::uint64_t kLongestHeader = 100'000'000;  // the format's own limit
constexpr int kDeepestHeader = 4;                      // header > tensor > shape is 3
constexpr std::size_t kMostDimensions = 8;

/// A dtype of the format, its size, and whether the engine computes with it.
struct KnownDType {
  std::string_view name;
  std::uint64_t bytes;
  std::optional<DType> usable;
};
constexpr KnownDType kKnown[] = {
    {"F32", 4, DType::Float32},
    {"F16", 2, DType::Float16},
    {"BF16", 2, DType::BFloat16},
    {"F64", 8, {}},
    {"I64", 8, {}},
    {"U64", 8, {}},
    {"I32", 4, {}},
    {"U32", 4, {}},
    {"I16", 2, {}},
    {"U16", 2, {}},
    {"I8", 1, {}},
    {"U8", 1, {}},
    {"BOOL", 1, {}},
    {"F8_E4M3", 1, {}},
    {"F8_E5M2", 1, {}},
};

/// An integer from 0 to what int64 holds.
std::optional<std::int64_t> natural(const json& value) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(value.get<std::uint64_t>());
}

std::string found(const json& value) {
  return shown(value.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 200));
}

std::string_view header_text(const MappedFile& file) {
  const std::size_t end = safetensors_data_begin(file);  // first: an empty file has no bytes to point into
  return {reinterpret_cast<const char*>(file.bytes().data()) + 8, end - 8};
}

std::optional<std::vector<std::int64_t>> read_shape(const json& value) {
  if (!value.is_array() || value.size() > kMostDimensions) return std::nullopt;
  std::vector<std::int64_t> shape;
  for (const json& dimension : value) {
    const auto n = natural(dimension);
    if (!n) return std::nullopt;
    shape.push_back(*n);
  }
  return shape;
}

/// product(shape) * size, or nothing if 64 bits do not hold it.
std::optional<std::int64_t> byte_count(const std::vector<std::int64_t>& shape, std::uint64_t size) {
  auto n = static_cast<std::int64_t>(size);
  for (const std::int64_t dimension : shape)
    if (__builtin_mul_overflow(n, dimension, &n)) return std::nullopt;
  return n;
}

struct Place {
  std::int64_t begin, end;
};

std::optional<Place> read_offsets(const json& value) {
  if (!value.is_array() || value.size() != 2) return std::nullopt;
  const auto begin = natural(value[0]), end = natural(value[1]);
  return begin && end && *begin <= *end ? std::optional(Place{*begin, *end}) : std::nullopt;
}

/// One entry of the header, its offsets inside `data`; a problem is added and nothing returned if it is wrong.
std::optional<TensorEntry> read_entry(const std::string& name, const json& value, std::span<const std::byte> data,
                                      Problems& problems) {
  const auto wrong = [&](const auto& expected, const std::string& instead) -> std::optional<TensorEntry> {
    problems.add("tensor '{}': expected {}, found {}", shown(name), expected, instead);
    return std::nullopt;
  };
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") || !value.contains("data_offsets"))
    return wrong("an object with dtype, shape and data_offsets", found(value));
  if (!value["dtype"].is_string()) return wrong("a dtype's name", found(value["dtype"]));
  auto shape = read_shape(value["shape"]);
  if (!shape) return wrong("a shape of at most 8 sizes of 0 or more", found(value["shape"]));
  const json& offsets = value["data_offsets"];
  const auto place = read_offsets(offsets);
  if (!place) return wrong("data_offsets [begin, end] with 0 <= begin <= end", found(offsets));

  TensorEntry entry;
  entry.dtype_name = value["dtype"].get<std::string>();
  entry.shape = std::move(*shape);
  entry.bytes =
      data.subspan(static_cast<std::size_t>(place->begin), static_cast<std::size_t>(place->end - place->begin));
  const auto* known = std::ranges::find(kKnown, entry.dtype_name, &KnownDType::name);
  if (known == std::end(kKnown)) return entry;  // a newer dtype of an unknown size: listed, never read
  entry.dtype = known->usable;
  const auto expected = byte_count(entry.shape, known->bytes);
  const std::string what = fmt::format("{} {}", entry.dtype_name, found(value["shape"]));
  if (!expected) return wrong("a size that 64 bits hold", what);
  const std::int64_t bytes = place->end - place->begin;
  if (*expected != bytes) return wrong(fmt::format("{} bytes for {}", *expected, what), fmt::format("{} bytes", bytes));
  return entry;
}

/// A download that broke off lacks most tensors: that is one problem, told before anything else. It names the tensor
/// that reaches furthest, in case the header is what is wrong.
void check_not_truncated(const json& header, const MappedFile& file, std::span<const std::byte> data) {
  std::int64_t needed = 0;
  std::string last;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__" || !value.is_object() || !value.contains("data_offsets")) continue;
    const auto place = read_offsets(value["data_offsets"]);
    if (place && place->end > needed) {
      needed = place->end;
      last = name;
    }
  }
  if (std::cmp_greater(needed, data.size()))
    bad_input("{}: truncated: its header needs {} bytes of data (up to the end of tensor '{}'), found {}", file.path(),
              needed, shown(last), data.size());
}

/// The data must be tiled: a tensor begins where the one before ends, the last one ends with the file.
void check_tiling(const std::vector<NamedTensor>& tensors, std::span<const std::byte> data, Problems& problems) {
  std::size_t end = 0;
  std::string_view before = "the header";
  for (const NamedTensor& t : tensors) {
    const auto begin = static_cast<std::size_t>(t.entry.bytes.data() - data.data());
    if (begin != end)
      problems.add("tensor '{}': expected data from byte {} on (the end of {}), found from byte {} on: {}",
                   shown(t.name), end, shown(before), begin, begin < end ? "they overlap" : "there is a hole");
    end = std::max(end, begin + t.entry.bytes.size());
    before = t.name;
  }
  if (problems.empty() && end != data.size())
    problems.add("expected the data to end at byte {} with tensor '{}', found {} bytes", end, shown(before),
                 data.size());
}

}  // namespace

std::size_t safetensors_data_begin(const MappedFile& file) {
  refuse_lfs_pointer(file);
  const auto bytes = file.bytes();
  if (bytes.size() < 8) bad_input("{}: expected a safetensors file, found {} bytes", file.path(), bytes.size());
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) length |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (length > kLongestHeader)
    bad_input("{}: expected a header of at most {} bytes, found {} (is this a safetensors file?)", file.path(),
              kLongestHeader, length);
  if (length > bytes.size() - 8)
    bad_input("{}: the header says {} bytes, the file has {} after its length (is it truncated?)", file.path(), length,
              bytes.size() - 8);
  return 8 + static_cast<std::size_t>(length);
}

std::vector<NamedTensor> read_safetensors(const MappedFile& file) {
  const std::string_view text = header_text(file);
  check_json_object(text, file.path() + ": header", kDeepestHeader);
  const json header = json::parse(text);
  const auto data = file.bytes().subspan(safetensors_data_begin(file));

  check_not_truncated(header, file, data);
  Problems problems;
  std::vector<NamedTensor> tensors;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") continue;
    if (auto entry = read_entry(name, value, data, problems)) tensors.push_back({name, std::move(*entry)});
  }
  std::ranges::stable_sort(tensors, {}, [](const NamedTensor& t) {
    return std::pair(t.entry.bytes.data(), t.entry.bytes.size());  // an empty tensor before the one that begins there
  });
  if (problems.empty()) check_tiling(tensors, data, problems);
  problems.throw_if_any(file.path());
  return tensors;
}

}  // namespace steergrid
