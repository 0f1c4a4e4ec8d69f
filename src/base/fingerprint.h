// Content identities: 64-bit XXH3 over a canonical byte stream.
//
// Strings and arrays are written with their length, numbers as fixed-width little-endian, so two different contents
// never give the same stream. Not a defence against forgery: it tells honest versions apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace steergrid {

class Fingerprint {
 public:
  Fingerprint();
  ~Fingerprint();
  Fingerprint(const Fingerprint&) = delete;
  Fingerprint& operator=(const Fingerprint&) = delete;

  Fingerprint& bytes(std::span<const std::byte> data);  // raw, without a length
  Fingerprint& add(std::string_view text);
  Fingerprint& add(std::int64_t value);
  Fingerprint& add(double value);
  template <class T>
  Fingerprint& add_all(std::span<const T> values) {
    add(static_cast<std::int64_t>(values.size()));
    for (const T& v : values) add(v);
    return *this;
  }

  std::uint64_t value() const;
  std::string hex() const;  // 16 digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// XXH3 of `data` alone: the CRC of a unit's result.
std::uint64_t checksum(std::span<const std::byte> data);

/// 16 lower-case hex digits.
std::string hex_of(std::uint64_t value);

/// Identity of a file's whole content. Throws Error if it cannot be read.
std::string file_identity(const std::string& path);

}  // namespace steergrid
