#include "engine/charsmap_check.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>

namespace steergrid {

namespace {

using Bytes = std::span<const std::byte>;

/// Walks the fields of one protobuf message (wire format: a key = number * 8 + type, then the value). What this reader
/// does not follow, protobuf's may: groups, which no tokenizer has, count as broken.
class Fields {
 public:
  explicit Fields(Bytes rest) : rest_(rest) {}

  /// The bytes of the next field `wanted` with a length; nothing at the end or where the message is broken.
  std::optional<Bytes> next(std::uint64_t wanted) {
    while (!rest_.empty() && !broken_) {
      const auto key = varint();
      const auto length = key && *key <= std::numeric_limits<std::uint32_t>::max() ? length_of(*key & 7) : std::nullopt;
      broken_ = !length || *length > rest_.size();
      if (broken_) break;
      const Bytes value = rest_.first(static_cast<std::size_t>(*length));
      rest_ = rest_.subspan(value.size());
      if (*key == wanted * 8 + 2) return value;
    }
    return std::nullopt;
  }

  bool broken() const { return broken_; }

 private:
  /// Of a value of this type, from here on; nothing for types that are not followed.
  std::optional<std::uint64_t> length_of(std::uint64_t type) {
    switch (type) {
      case 0: return varint() ? std::optional<std::uint64_t>(0) : std::nullopt;
      case 1: return 8;
      case 2: return varint();
      case 5: return 4;
      default: return std::nullopt;
    }
  }

  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = std::to_integer<std::uint64_t>(rest_.front());
      rest_ = rest_.subspan(1);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  Bytes rest_;
  bool broken_ = false;
};

std::uint32_t unit_at(Bytes units, std::size_t index) {
  std::uint32_t unit = 0;
  std::memcpy(&unit, units.data() + 4 * index, 4);
  return unit;
}

/// A map is: bytes of the trie (u32), the trie's units (u32 each), the replacements (each ends with a NUL).
/// From unit i a step goes to i ^ offset ^ character, so in an array of whole blocks of 256 units only i ^ offset can
/// lead out; where bit 8 is set, the unit there holds the position of a replacement.
bool stays_inside(Bytes map) {
  constexpr std::size_t kBlock = 256 * 4;
  if (map.empty()) return true;
  if (map.size() < 4) return false;
  const std::size_t trie_bytes = unit_at(map, 0);
  if (trie_bytes == 0 || trie_bytes % kBlock != 0 || trie_bytes >= map.size() - 4) return false;
  const Bytes trie = map.subspan(4, trie_bytes);
  const Bytes replacements = map.subspan(4 + trie_bytes);
  if (replacements.back() != std::byte{0}) return false;
  const std::size_t units = trie_bytes / 4;
  for (std::size_t i = 0; i < units; ++i) {
    const std::uint32_t unit = unit_at(trie, i);
    const bool is_value = (unit >> 31) != 0;
    if (is_value && i != 0) continue;  // no step leads to a value, but every walk begins at the root
    const std::size_t to = i ^ (std::size_t{unit >> 10} << ((unit & 0x200u) >> 6));
    if (to >= units) return false;
    const bool has_value = ((unit >> 8) & 1u) != 0;
    if (has_value && (unit_at(trie, to) & 0x7fffffffu) >= replacements.size()) return false;
  }
  return true;
}

}  // namespace

bool charsmaps_stay_inside(Bytes model) {
  constexpr std::uint64_t kNormalizer = 3, kDenormalizer = 5, kMap = 2;  // numbers in sentencepiece_model.proto
  for (const std::uint64_t part : {kNormalizer, kDenormalizer}) {
    Fields parts(model);
    while (const auto normalizer = parts.next(part)) {
      Fields fields(*normalizer);
      while (const auto map = fields.next(kMap))
        if (!stays_inside(*map)) return false;
      if (fields.broken()) return false;
    }
    if (parts.broken()) return false;
  }
  return true;
}

}  // namespace steergrid
