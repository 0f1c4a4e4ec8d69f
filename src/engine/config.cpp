#include "engine/config.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>

#include "base/mapped_file.h"
#include "base/model_path.h"
#include "engine/json_check.h"
#include "engine/problems.h"

namespace steergrid {

namespace {

using nlohmann::json;

// Far above any Llama, far below what could overflow a shape's products.
constexpr std::int64_t kMostLayers = 1024;
constexpr std::int64_t kMostHidden = 65536;
constexpr std::int64_t kMostHeads = 4096;
constexpr std::int64_t kMostHeadSize = 4096;
constexpr std::int64_t kMostFeedForward = std::int64_t{1} << 20;
constexpr std::int64_t kMostVocabulary = std::int64_t{1} << 22;
constexpr std::int64_t kMostPositions = std::int64_t{1} << 24;
constexpr std::size_t kMostBytes = std::size_t{16} << 20;

std::string found(const json& value) {
  return shown(value.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 200));
}

/// The keys of one config.json; whatever is wrong with a value becomes a line in `problems`.
class Reader {
 public:
  Reader(const json& object, Problems& problems) : object_(object), problems_(problems) {}

  /// The value of `key`, or nullptr where it is missing or null.
  const json* value(const char* key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }

  /// An integer in [least, most], or 0 after a problem.
  int integer(const char* key, std::int64_t least, std::int64_t most, std::optional<int> fallback = {}) {
    const json* v = value(key);
    if (v == nullptr) {
      if (!fallback) problems_.add("{}: expected an integer from {} to {}, found nothing", key, least, most);
      return fallback.value_or(0);
    }
    const bool whole = v->is_number_integer() && !(v->is_number_unsigned() && v->get<std::uint64_t>() > INT64_MAX);
    const std::int64_t number = whole ? v->get<std::int64_t>() : 0;
    if (whole && number >= least && number <= most) return static_cast<int>(number);
    problems_.add("{}: expected an integer from {} to {}, found {}", key, least, most, found(*v));
    return 0;
  }

  /// A finite number above `above` and at most `most`, or 0 after a problem.
  float number(const char* key, double above, double most, std::optional<float> fallback = {}) {
    const json* v = value(key);
    if (v == nullptr) {
      if (!fallback) problems_.add("{}: expected a number above {} up to {}, found nothing", key, above, most);
      return fallback.value_or(0.0f);
    }
    const double x = v->is_number() ? v->get<double>() : NAN;
    const float rounded = x > above && x <= most ? static_cast<float>(x) : NAN;
    if (rounded > above) return rounded;
    problems_.add("{}: expected a number above {} up to {}, found {}", key, above, most, found(*v));
    return 0;
  }

  bool boolean(const char* key, bool fallback) {
    const json* v = value(key);
    if (v == nullptr) return fallback;
    if (v->is_boolean()) return v->get<bool>();
    problems_.add("{}: expected true or false, found {}", key, found(*v));
    return fallback;
  }

  /// For what the engine computes in one way only: `key` may be missing or null, or must equal `only`.
  void only(const char* key, const json& only) {
    const json* v = value(key);
    if (v != nullptr && *v != only) problems_.add("{}: only {} is supported, found {}", key, only.dump(), found(*v));
  }
  void absent(const char* key) {
    const json* v = value(key);
    if (v != nullptr) problems_.add("{}: not supported, expected null or nothing, found {}", key, found(*v));
  }

 private:
  const json& object_;
  Problems& problems_;
};

void refuse_unsupported(Reader& reader, Problems& problems) {
  if (reader.value("model_type") == nullptr) problems.add("model_type: expected \"llama\", found nothing");
  reader.only("model_type", "llama");
  reader.only("hidden_act", "silu");
  reader.only("attention_bias", false);
  reader.only("mlp_bias", false);
  reader.only("partial_rotary_factor", 1.0);
  reader.absent("rope_scaling");
  reader.absent("sliding_window");
  reader.absent("quantization_config");
}

ModelShape read_shape(Reader& reader, Problems& problems) {
  ModelShape s;
  s.n_layers = reader.integer("num_hidden_layers", 1, kMostLayers);
  s.hidden = reader.integer("hidden_size", 1, kMostHidden);
  s.n_heads = reader.integer("num_attention_heads", 1, kMostHeads);
  s.n_kv_heads = reader.integer("num_key_value_heads", 1, kMostHeads, s.n_heads);
  s.feed_forward = reader.integer("intermediate_size", 1, kMostFeedForward);
  s.vocabulary = reader.integer("vocab_size", 1, kMostVocabulary);
  s.tied_embeddings = reader.boolean("tie_word_embeddings", false);
  if (s.n_heads > 0 && s.n_kv_heads > 0 && s.n_heads % s.n_kv_heads != 0)
    problems.add("num_key_value_heads: expected a divisor of num_attention_heads {}, found {}", s.n_heads,
                 s.n_kv_heads);
  if (reader.value("head_dim") != nullptr) {
    s.head_size = reader.integer("head_dim", 1, kMostHeadSize);
  } else if (s.n_heads > 0 && s.hidden > 0) {
    if (s.hidden % s.n_heads != 0)
      problems.add("hidden_size: expected a multiple of num_attention_heads {} (there is no head_dim), found {}",
                   s.n_heads, s.hidden);
    s.head_size = s.hidden / s.n_heads;
  }
  if (s.head_size % 2 != 0)
    problems.add("head_dim: expected an even head size (rotary embeddings turn pairs), found {}", s.head_size);
  return s;
}

/// rope_theta, which newer files keep in "rope_parameters"; of those only the plain kind is supported.
float read_rope_theta(Reader& reader, Problems& problems) {
  constexpr float kDefault = 10000.0f;
  constexpr double kMost = 1e12;
  const json* parameters = reader.value("rope_parameters");
  if (parameters == nullptr) return reader.number("rope_theta", 0, kMost, kDefault);
  if (!parameters->is_object()) {
    problems.add("rope_parameters: expected an object, found {}", found(*parameters));
    return kDefault;
  }
  for (const auto& [key, value] : parameters->items())
    if (key != "rope_theta" && !(key == "rope_type" && value == "default"))
      problems.add("rope_parameters.{}: not supported, expected only rope_theta and rope_type \"default\", found {}",
                   shown(key), found(value));
  Reader inner(*parameters, problems);
  return inner.number("rope_theta", 0, kMost, reader.number("rope_theta", 0, kMost, kDefault));
}

std::optional<DType> read_dtype(Reader& reader, Problems& problems) {
  for (const char* key : {"torch_dtype", "dtype"}) {
    const json* v = reader.value(key);
    if (v == nullptr) continue;
    const std::optional<DType> dtype = v->is_string() ? dtype_from_name(v->get<std::string>()) : std::nullopt;
    if (!dtype) problems.add("{}: expected \"float32\", \"float16\" or \"bfloat16\", found {}", key, found(*v));
    return dtype;
  }
  return std::nullopt;
}

}  // namespace

ModelConfig read_config(const std::string& folder) {
  const MappedFile file(folder + "/config.json");
  if (file.bytes().size() > kMostBytes)
    bad_input("{}: expected at most {} bytes, found {}", file.path(), kMostBytes, file.bytes().size());
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  check_json_object(text, file.path(), 16);
  const json object = json::parse(text);

  Problems problems;
  Reader reader(object, problems);
  ModelConfig config;
  refuse_unsupported(reader, problems);
  config.shape = read_shape(reader, problems);
  config.rms_norm_eps = reader.number("rms_norm_eps", 0, 1);
  config.rope_theta = read_rope_theta(reader, problems);
  config.max_positions = reader.integer("max_position_embeddings", 1, kMostPositions);
  config.bos_token = reader.integer("bos_token_id", 0, kMostVocabulary, 1);
  if (config.shape.vocabulary > 0 && config.bos_token >= config.shape.vocabulary)
    problems.add("bos_token_id: expected a token below vocab_size {}, found {}", config.shape.vocabulary,
                 config.bos_token);
  const json* name = reader.value("_name_or_path");
  config.synthetic = name != nullptr && name->is_string() && is_synthetic(name->get_ref<const std::string&>());
  config.torch_dtype = read_dtype(reader, problems);
  problems.throw_if_any(file.path());
  return config;
}

}  // namespace steergrid
