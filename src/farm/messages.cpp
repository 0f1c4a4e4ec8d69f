#include "farm/messages.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace steergrid::message {
namespace {

static_assert(std::endian::native == std::endian::little, "messages are memory images of little-endian numbers");

constexpr std::uint8_t kVersion = 2;

class Writer {
 public:
  Writer() { bytes_.reserve(256); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void put(T value) { raw(&value, sizeof value); }
  void put(std::span<const std::byte> bytes) {
    put(static_cast<std::uint64_t>(bytes.size()));
    raw(bytes.data(), bytes.size());
  }
  void put(const std::string& text) { put(std::as_bytes(std::span(text))); }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  void raw(const void* data, std::size_t n) {
    const auto* first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + n);
  }
  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::vector<std::byte> bytes() {
    const auto part = take(number<std::uint64_t>());
    return {part.begin(), part.end()};
  }
  std::string text() {
    const auto part = take(number<std::uint64_t>());
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  /// A count of things of at least `each` bytes.
  std::uint32_t count(std::size_t each) {
    const auto n = number<std::uint32_t>();
    if (n > rest_.size() / each) failed("a farm message announces {} entries, {} bytes are left", n, rest_.size());
    return n;
  }
  void end() const {
    if (!rest_.empty()) failed("a farm message has {} bytes left over", rest_.size());
  }

 private:
  std::span<const std::byte> take(std::uint64_t n) {
    if (n > rest_.size()) failed("a farm message is cut short: {} bytes expected, {} found", n, rest_.size());
    const auto part = rest_.first(static_cast<std::size_t>(n));
    rest_ = rest_.subspan(static_cast<std::size_t>(n));
    return part;
  }
  std::span<const std::byte> rest_;
};

// One pair of functions a message, in the order of `Any`.

void write(Writer& w, const Request& m) {
  w.put(m.stage);
  w.put(m.wants);
}
void read(Reader& r, Request& m) {
  m.stage = r.number<int>();
  m.wants = r.number<int>();
}

constexpr std::size_t kOrderBytes = 9, kParcelBytes = 12;

void write(Writer& w, const Work& m) {
  w.put(static_cast<std::uint32_t>(m.orders.size()));
  for (const Order& o : m.orders) {
    w.put(o.unit);
    w.put(static_cast<std::uint8_t>(o.mode));
    w.put(o.attempt);
  }
  w.put(static_cast<std::uint32_t>(m.parcels.size()));
  for (const Parcel& p : m.parcels) {
    w.put(p.key);
    w.put(p.bytes);
  }
}
RunMode run_mode(std::uint8_t value) {
  if (value > static_cast<std::uint8_t>(RunMode::BaselineOnly)) failed("a farm message has an unknown mode {}", value);
  return static_cast<RunMode>(value);
}
void read(Reader& r, Work& m) {
  m.orders.resize(r.count(kOrderBytes));
  for (Order& o : m.orders) {
    o.unit = r.number<int>();
    o.mode = run_mode(r.number<std::uint8_t>());
    o.attempt = r.number<std::uint32_t>();
  }
  m.parcels.resize(r.count(kParcelBytes));
  for (Parcel& p : m.parcels) {
    p.key = r.number<int>();
    p.bytes = r.bytes();
  }
}

void write(Writer& w, const Done& m) {
  w.put(m.unit);
  w.put(m.crc);
  w.put(m.flags);
  w.put(m.started);
  w.put(m.finished);
  w.put(m.bytes);
}
void read(Reader& r, Done& m) {
  m.unit = r.number<int>();
  m.crc = r.number<std::uint64_t>();
  m.flags = r.number<std::uint32_t>();
  m.started = r.number<std::int64_t>();
  m.finished = r.number<std::int64_t>();
  m.bytes = r.bytes();
}

void write(Writer& w, const Failed& m) {
  w.put(m.unit);
  w.put(m.sentence);
}
void read(Reader& r, Failed& m) {
  m.unit = r.number<int>();
  m.sentence = r.text();
}

void write(Writer& w, const Ending& e) {
  w.put(static_cast<int>(e.code));
  w.put(e.sentence);
  w.put(static_cast<std::uint8_t>(e.complete));
}
void read(Reader& r, Ending& e) {
  e.code = static_cast<ExitCode>(r.number<int>());
  e.sentence = r.text();
  e.complete = r.number<std::uint8_t>() != 0;
}
void write(Writer& w, const Broken& m) { write(w, m.why); }
void read(Reader& r, Broken& m) { read(r, m.why); }
void write(Writer& w, const Stop& m) { write(w, m.why); }
void read(Reader& r, Stop& m) { read(r, m.why); }

void write(Writer& w, const Stage& m) { w.put(m.model); }
void read(Reader& r, Stage& m) { m.model = r.number<int>(); }

/// Reads the alternative of `Any` with index `kind`.
template <std::size_t I = 0>
Any read_kind(std::size_t kind, Reader& r) {
  if constexpr (I == std::variant_size_v<Any>) {
    failed("a farm message has an unknown kind {}", kind);
  } else {
    if (kind != I) return read_kind<I + 1>(kind, r);
    std::variant_alternative_t<I, Any> m;
    read(r, m);
    return m;
  }
}

}  // namespace

std::vector<std::byte> encode(const Any& message) {
  Writer w;
  for (const auto c : {std::uint8_t{'S'}, std::uint8_t{'G'}, kVersion, static_cast<std::uint8_t>(message.index())})
    w.put(c);
  std::visit([&w](const auto& m) { write(w, m); }, message);
  return w.take();
}

Any decode(std::span<const std::byte> bytes) {
  Reader r(bytes);
  const auto s = r.number<std::uint8_t>(), g = r.number<std::uint8_t>(), version = r.number<std::uint8_t>();
  if (s != 'S' || g != 'G') failed("these bytes are no farm message");
  if (version != kVersion)
    failed("a farm message of version {}, expected {}: ranks run different builds", version, kVersion);
  const auto kind = r.number<std::uint8_t>();
  Any message = read_kind(kind, r);
  r.end();
  return message;
}

}  // namespace steergrid::message
