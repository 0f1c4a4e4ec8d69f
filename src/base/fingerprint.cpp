#include "base/fingerprint.h"

#include <xxhash.h>

#include <bit>
#include <fstream>
#include <vector>

#include "base/error.h"

namespace steergrid {

struct Fingerprint::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

Fingerprint::Fingerprint() : state_(std::make_unique<State>()) { XXH3_64bits_reset(state_->xxh); }
Fingerprint::~Fingerprint() = default;

Fingerprint& Fingerprint::bytes(std::span<const std::byte> data) {
  XXH3_64bits_update(state_->xxh, data.data(), data.size());
  return *this;
}

Fingerprint& Fingerprint::add(std::string_view text) {
  add(static_cast<std::int64_t>(text.size()));
  return bytes(std::as_bytes(std::span(text)));
}

Fingerprint& Fingerprint::add(std::int64_t value) { return bytes(std::as_bytes(std::span(&value, 1))); }

Fingerprint& Fingerprint::add(double value) {
  return add(std::bit_cast<std::int64_t>(value == 0.0 ? 0.0 : value));  // -0 and 0 are the same coefficient
}

std::uint64_t Fingerprint::value() const { return XXH3_64bits_digest(state_->xxh); }
std::string Fingerprint::hex() const { return hex_of(value()); }

std::uint64_t checksum(std::span<const std::byte> data) { return XXH3_64bits(data.data(), data.size()); }

std::string hex_of(std::uint64_t value) { return fmt::format("{:016x}", value); }

std::string file_identity(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) bad_input("{}: cannot be read", path);
  Fingerprint print;
  std::vector<char> buffer(1 << 20);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    print.bytes(std::as_bytes(std::span(buffer.data(), static_cast<std::size_t>(in.gcount()))));
  }
  if (in.bad()) failed("{}: reading stopped half-way", path);
  return print.hex();
}

}  // namespace steergrid
