// Byte form: a tag, then each array as its element count (u64) and its elements, little-endian as in memory.
#include "store/rows.h"

#include <array>
#include <cstring>

#include "base/error.h"
#include "base/fingerprint.h"

namespace steergrid::store {
namespace {

constexpr std::array<char, 4> kBlockTag{'S', 'G', 'b', '1'};
constexpr std::array<char, 4> kEvaluationTag{'S', 'G', 'e', '1'};

class Writer {
 public:
  explicit Writer(const std::array<char, 4>& tag) { append(std::as_bytes(std::span(tag))); }
  template <class T>
  Writer& add(std::span<const T> values) {
    const std::uint64_t count = values.size();
    append(std::as_bytes(std::span(&count, 1)));
    append(std::as_bytes(values));
    return *this;
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  void append(std::span<const std::byte> part) { bytes_.insert(bytes_.end(), part.begin(), part.end()); }
  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::array<char, 4>& tag) : rest_(bytes) {
    if (rest_.size() < tag.size() || std::memcmp(rest_.data(), tag.data(), tag.size()) != 0)
      failed("a unit's rows: {} bytes that are no such rows", bytes.size());
    rest_ = rest_.subspan(tag.size());
  }
  template <class T>
  std::vector<T> take() {
    std::uint64_t count = 0;
    if (rest_.size() < sizeof count) failed("a unit's rows: {} bytes where a length is expected", rest_.size());
    std::memcpy(&count, rest_.data(), sizeof count);
    rest_ = rest_.subspan(sizeof count);
    if (count > rest_.size() / sizeof(T)) failed("a unit's rows: {} elements in {} bytes", count, rest_.size());
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), rest_.data(), count * sizeof(T));
    rest_ = rest_.subspan(count * sizeof(T));
    return values;
  }
  void end() const {
    if (!rest_.empty()) failed("a unit's rows: {} bytes left over", rest_.size());
  }

 private:
  std::span<const std::byte> rest_;
};

template <class T>
void print(Fingerprint& into, std::span<const T> values) {
  into.add(static_cast<std::int64_t>(values.size())).bytes(std::as_bytes(values));
}

}  // namespace

std::vector<std::byte> encode(const BlockRows& r) {
  return Writer(kBlockTag).add(r.sums).add(r.norm_sums).add(r.activations).take();
}

std::vector<std::byte> encode(const EvaluationRows& r) {
  return Writer(kEvaluationTag)
      .add(r.letter_logprob)
      .add(r.top_token)
      .add(r.top_logprob)
      .add(r.baseline_logprob)
      .add(r.baseline_top_token)
      .add(r.baseline_top_logprob)
      .take();
}

Block decode_block(std::span<const std::byte> bytes) {
  Reader from(bytes, kBlockTag);
  Block block;
  block.sums = from.take<double>();
  block.norm_sums = from.take<double>();
  block.activations = from.take<float>();
  from.end();
  return block;
}

Evaluation decode_evaluation(std::span<const std::byte> bytes) {
  Reader from(bytes, kEvaluationTag);
  Evaluation e;
  e.letter_logprob = from.take<double>();
  e.top_token = from.take<std::int32_t>();
  e.top_logprob = from.take<double>();
  e.baseline_logprob = from.take<double>();
  e.baseline_top_token = from.take<std::int32_t>();
  e.baseline_top_logprob = from.take<double>();
  from.end();
  return e;
}

std::uint64_t checksum_of(const BlockRows& r) {
  Fingerprint sum;
  print(sum, r.sums);
  print(sum, r.norm_sums);
  return sum.value();
}

std::uint64_t checksum_of(const VectorRows& r) {
  Fingerprint sum;
  print(sum, r.mean);
  print(sum, r.scale);
  print(sum, r.mean_norm);
  print(sum, r.residual_norm);
  return sum.value();
}

std::uint64_t checksum_of(const EvaluationRows& r) {
  Fingerprint sum;
  print(sum, r.letter_logprob);
  print(sum, r.top_token);
  print(sum, r.top_logprob);
  print(sum, r.baseline_logprob);
  print(sum, r.baseline_top_token);
  print(sum, r.baseline_top_logprob);
  return sum.value();
}

}  // namespace steergrid::store
