#include "engine/synthetic_model.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <vector>

#include "base/fingerprint.h"
#include "base/model_path.h"
#include "engine/byte_tokenizer.h"
#include "engine/problems.h"

namespace steergrid {
namespace {

/// A key, where its number goes, and the bounds of the number (those of config.json).
struct Key {
  std::string_view name;
  int most;
  int value = 0;  // 0: not given
};

struct Named {
  std::string_view name;
  int hidden, layers, heads, kv_heads, feed_forward;
};

constexpr std::array<Named, 3> kNamed = {{{"llama-2-7b", 4096, 32, 32, 32, 11008},
                                          {"llama-2-13b", 5120, 40, 40, 40, 13824},
                                          {"llama-2-70b", 8192, 80, 64, 8, 28672}}};

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// Cuts `text` at the first `mark`; without one, all of it is the front.
std::pair<std::string_view, std::string_view> cut(std::string_view text, char mark) {
  const std::size_t at = text.find(mark);
  if (at == text.npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

/// The numbers of one "random:..." name; whatever is wrong with it becomes a line in `problems`.
class Reader {
 public:
  explicit Reader(Problems& problems) : problems_(problems) {}

  void read(std::string_view text) {
    if (text.find('=') == text.npos || text.find(',') < text.find('=')) {
      const auto [name, rest] = cut(text, ',');
      read_name(name);
      if (name.size() == text.size()) return;
      text = rest;
    }
    while (true) {
      const std::size_t comma = text.find(',');
      read_number(text.substr(0, comma));
      if (comma == text.npos) return;
      text.remove_prefix(comma + 1);
    }
  }

  /// A number that was given, or the fallback; without one, its absence is a problem.
  int get(std::string_view key, std::optional<int> fallback = {}) {
    const int given = find(key)->value;
    if (given > 0) return given;
    if (!fallback && problems_.empty()) problems_.add("expected {}=, found no such number", key);
    return fallback.value_or(0);
  }

 private:
  void read_name(std::string_view name) {
    const auto* const named = std::ranges::find(kNamed, name, &Named::name);
    if (named == kNamed.end()) {
      problems_.add(
          "expected llama-2-7b, llama-2-13b, llama-2-70b or numbers (hidden=4096,layers=32,heads=32,...), "
          "found '{}'",
          shown(name));
      return;
    }
    find("hidden")->value = named->hidden;
    find("layers")->value = named->layers;
    find("heads")->value = named->heads;
    find("kv_heads")->value = named->kv_heads;
    find("feed_forward")->value = named->feed_forward;
  }

  void read_number(std::string_view text) {
    const auto [key, value] = cut(text, '=');
    Key* const to = find(key);
    if (to == keys_.end()) {
      std::vector<std::string_view> known;
      for (const Key& k : keys_) known.push_back(k.name);
      problems_.add("expected numbers named {}, found '{}'", fmt::join(known, ", "), shown(text));
      return;
    }
    const std::optional<int> number = number_of<int>(value);
    if (!number || *number < 1 || *number > to->most) {
      problems_.add("{}: expected a number from 1 to {}, found '{}'", key, to->most, shown(value));
    } else if (std::ranges::count(given_, key) > 0) {
      problems_.add("{}: expected once, found again", key);
    } else {
      to->value = *number;
      given_.push_back(to->name);
    }
  }

  Key* find(std::string_view name) { return std::ranges::find(keys_, name, &Key::name); }

  Problems& problems_;
  std::vector<std::string_view> given_;
  std::array<Key, 8> keys_ = {{{"hidden", 65536},
                               {"layers", 1024},
                               {"heads", 4096},
                               {"kv_heads", 4096},
                               {"head_size", 4096},
                               {"feed_forward", 1 << 20},
                               {"vocabulary", 1 << 22},
                               {"positions", 1 << 20}}};
};

std::uint64_t read_seed(std::string_view text, Problems& problems) {
  const auto [key, value] = cut(text, '=');
  const std::optional<std::uint64_t> seed = key == "seed" ? number_of<std::uint64_t>(value) : std::nullopt;
  if (!seed) problems.add("expected ?seed= and a whole number, found '?{}'", shown(text));
  return seed.value_or(0);
}

void check_shape(const ModelShape& s, bool head_size_given, Problems& problems) {
  if (!head_size_given && s.hidden % s.n_heads != 0)
    problems.add("hidden: expected a multiple of heads {} (there is no head_size), found {}", s.n_heads, s.hidden);
  if (s.n_heads % s.n_kv_heads != 0)
    problems.add("kv_heads: expected a divisor of heads {}, found {}", s.n_heads, s.n_kv_heads);
  if (s.head_size % 2 != 0 || s.head_size == 0)
    problems.add("head_size: expected an even number (rotary embeddings turn pairs), found {}", s.head_size);
  if (s.vocabulary < kByteTokens)
    problems.add("vocabulary: expected at least {} (one token a byte and three more), found {}", kByteTokens,
                 s.vocabulary);
}

class SyntheticStream final : public WeightStream {
 public:
  SyntheticStream(Backend& on, std::vector<Piece> pieces, std::uint64_t seed)
      : on_(on), pieces_(std::move(pieces)), seed_(seed) {}

  Tensor next() override {
    const Piece& piece = pieces_[turn_];
    turn_ = (turn_ + 1) % pieces_.size();
    if (piece.cut != Piece::Cut::Norm) return on_.make_weight(synthetic_part(seed_, piece));
    const std::vector<float> ones(static_cast<std::size_t>(piece.cols), 1.0f);
    return on_.load_norm({.data = reinterpret_cast<const std::byte*>(ones.data()),
                          .rows = 1,
                          .cols = piece.cols,
                          .stride = piece.cols,
                          .dtype = DType::Float32});
  }
  std::int64_t bytes_read() const override { return 0; }

 private:
  Backend& on_;
  std::vector<Piece> pieces_;
  std::uint64_t seed_;
  std::size_t turn_ = 0;
};

}  // namespace

std::string SyntheticModel::canonical() const {
  const ModelShape& s = config.shape;
  return fmt::format(
      "{}hidden={},layers={},heads={},kv_heads={},head_size={},feed_forward={},vocabulary={},positions={}?seed={}",
      kSyntheticPrefix, s.hidden, s.n_layers, s.n_heads, s.n_kv_heads, s.head_size, s.feed_forward, s.vocabulary,
      config.max_positions, seed);
}

SyntheticModel parse_synthetic(std::string_view path) {
  Problems problems;
  const bool seeded = path.find('?') != path.npos;
  const auto [shape, seed] = cut(path.substr(kSyntheticPrefix.size()), '?');
  Reader numbers(problems);
  numbers.read(shape);
  SyntheticModel model;
  if (seeded) model.seed = read_seed(seed, problems);
  ModelShape& s = model.config.shape;
  s.hidden = numbers.get("hidden");
  s.n_layers = numbers.get("layers");
  s.n_heads = numbers.get("heads");
  problems.throw_if_any(shown(path));

  constexpr int kMultiple = 256;
  s.n_kv_heads = numbers.get("kv_heads", s.n_heads);
  s.head_size = numbers.get("head_size", s.hidden / s.n_heads);
  s.feed_forward = numbers.get("feed_forward", (8 * s.hidden / 3 + kMultiple - 1) / kMultiple * kMultiple);
  s.vocabulary = numbers.get("vocabulary", 32000);
  model.config.max_positions = numbers.get("positions", 4096);
  model.config.rms_norm_eps = 1e-5f;
  model.config.synthetic = true;
  check_shape(s, numbers.get("head_size", 0) > 0, problems);
  problems.throw_if_any(shown(path));
  return model;
}

SyntheticPart synthetic_part(std::uint64_t seed, const Piece& piece) {
  const bool by_columns = piece.cut == Piece::Cut::Columns;
  return {.seed = seed,
          .tensor = checksum(std::as_bytes(std::span(piece.name))),
          .exponent = synthetic_exponent(piece.cols),
          .first_row = by_columns ? 0 : piece.first,
          .first_col = by_columns ? piece.first : 0,
          .rows = by_columns ? piece.rows : piece.count,
          .cols = by_columns ? piece.count : piece.cols};
}

std::unique_ptr<WeightStream> SyntheticWeights::open(Backend& on, std::vector<Piece> pieces, bool) const {
  return std::make_unique<SyntheticStream>(on, std::move(pieces), seed_);
}

}  // namespace steergrid
