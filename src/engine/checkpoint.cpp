#include "engine/checkpoint.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "engine/json_check.h"
#include "engine/problems.h"
#include "engine/safetensors_file.h"

namespace steergrid {

namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

std::string shape_text(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::string shape_text(std::int64_t rows, std::int64_t cols) {
  return rows == 1 ? fmt::format("[{}]", cols) : fmt::format("[{}, {}]", rows, cols);
}

bool has_shape(const TensorEntry& entry, std::int64_t rows, std::int64_t cols) {
  if (entry.shape.size() == 1) return rows == 1 && entry.shape[0] == cols;
  return entry.shape.size() == 2 && entry.shape[0] == rows && entry.shape[1] == cols;
}

/// "tensor '...': expected ..., found ..." for what is wrong with an entry, or "".
std::string problem_of(std::string_view name, const TensorEntry& entry, std::int64_t rows, std::int64_t cols) {
  if (!has_shape(entry, rows, cols))
    return fmt::format("tensor '{}': expected shape {}, found {}", shown(name), shape_text(rows, cols),
                       shape_text(entry.shape));
  if (!entry.dtype)
    return fmt::format("tensor '{}': expected dtype F32, F16 or BF16, found {}", shown(name), shown(entry.dtype_name));
  return {};
}

/// tensor name -> shard, from the index. A shard is a file of the folder itself: anything else could name any file.
std::map<std::string, std::string> read_index(const std::string& path) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  check_json_object(text, path, 8);
  const nlohmann::json index = nlohmann::json::parse(text);
  if (!index.contains("weight_map") || !index["weight_map"].is_object() || index["weight_map"].empty())
    bad_input("{}: weight_map: expected an object of tensor names and shards", path);
  Problems problems;
  std::map<std::string, std::string> shard_of;
  for (const auto& [name, value] : index["weight_map"].items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : "";
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find_first_of(std::string_view("/\\\0", 3)) != shard.npos)
      problems.add("weight_map: tensor '{}': expected the name of a file in the folder, found {}", shown(name),
                   shown(value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace).substr(0, 200)));
    shard_of[name] = shard;
  }
  problems.throw_if_any(path);
  return shard_of;
}

/// Every tensor of a Llama model, as (name, rows, columns); a vector has one row.
template <class F>
void for_each_tensor(const ModelShape& s, F&& f) {
  const std::int64_t hidden = s.hidden;
  const std::int64_t queries = std::int64_t{s.n_heads} * s.head_size;
  const std::int64_t keys = std::int64_t{s.n_kv_heads} * s.head_size;
  f("model.embed_tokens.weight", s.vocabulary, hidden);
  for (int l = 0; l < s.n_layers; ++l) {
    const std::string layer = fmt::format("model.layers.{}.", l);
    f(layer + "input_layernorm.weight", 1, hidden);
    f(layer + "self_attn.q_proj.weight", queries, hidden);
    f(layer + "self_attn.k_proj.weight", keys, hidden);
    f(layer + "self_attn.v_proj.weight", keys, hidden);
    f(layer + "self_attn.o_proj.weight", hidden, queries);
    f(layer + "post_attention_layernorm.weight", 1, hidden);
    f(layer + "mlp.gate_proj.weight", s.feed_forward, hidden);
    f(layer + "mlp.up_proj.weight", s.feed_forward, hidden);
    f(layer + "mlp.down_proj.weight", hidden, s.feed_forward);
  }
  f("model.norm.weight", 1, hidden);
  if (!s.tied_embeddings) f("lm_head.weight", s.vocabulary, hidden);
}

/// Whether a tensor that is not the model's changes nothing by being left out.
bool harmless(std::string_view name, const ModelShape& s) {
  return name.ends_with("rotary_emb.inv_freq") || (s.tied_embeddings && name == "lm_head.weight");
}

}  // namespace

Checkpoint::Checkpoint(const std::string& folder) : folder_(folder) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path root(folder);
  std::map<std::string, std::string> shard_of;
  std::set<std::string> names;
  if (fs::exists(root / kSingle, ignored)) {
    names.insert(kSingle);
  } else if (fs::exists(root / kIndex, ignored)) {
    shard_of = read_index((root / kIndex).string());
    for (const auto& [tensor, shard] : shard_of) names.insert(shard);
  } else {
    const bool pickled =
        fs::exists(root / "pytorch_model.bin", ignored) || fs::exists(root / "pytorch_model.bin.index.json", ignored);
    bad_input("{}: expected {} or {}, found {}", folder, kSingle, kIndex,
              pickled ? "only pytorch_model.bin: save the model with safe_serialization=True"
                      : (fs::is_directory(root, ignored) ? "neither" : "no such folder"));
  }

  Problems problems;
  for (const std::string& name : names) {
    files_.emplace_back((root / name).string());
    for (NamedTensor& tensor : read_safetensors(files_.back())) {
      tensor.entry.file = files_.size() - 1;
      const auto [it, fresh] = tensors_.try_emplace(std::move(tensor.name), std::move(tensor.entry));
      if (!fresh)
        problems.add("tensor '{}': expected once, found in {} and {}", shown(it->first), files_[it->second.file].path(),
                     files_.back().path());
    }
  }
  for (const auto& [tensor, shard] : shard_of)
    if (const auto it = tensors_.find(tensor); it == tensors_.end() || files_[it->second.file].path() != root / shard)
      problems.add("tensor '{}': the index says {}, but it is not there", shown(tensor), shown(shard));
  problems.throw_if_any(folder);
}

bool Checkpoint::contains(std::string_view name) const { return tensors_.contains(name); }

HostMatrix Checkpoint::matrix(std::string_view name, std::int64_t rows, std::int64_t cols) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end())
    bad_input("{}: tensor '{}': expected shape {}, not in the checkpoint", folder_, name, shape_text(rows, cols));
  const TensorEntry& entry = it->second;
  if (const std::string problem = problem_of(name, entry, rows, cols); !problem.empty())
    bad_input("{}: {}", files_[entry.file].path(), problem);
  return {.data = entry.bytes.data(), .rows = rows, .cols = cols, .stride = cols, .dtype = *entry.dtype};
}

HostMatrix Checkpoint::row_slice(HostMatrix m, std::int64_t first, std::int64_t count) {
  m.data += static_cast<std::size_t>(first * m.stride) * size_of(m.dtype);
  m.rows = count;
  return m;
}

HostMatrix Checkpoint::column_slice(HostMatrix m, std::int64_t first, std::int64_t count) {
  m.data += static_cast<std::size_t>(first) * size_of(m.dtype);
  m.cols = count;
  return m;
}

void Checkpoint::release(std::string_view name) const {
  if (const auto it = tensors_.find(name); it != tensors_.end()) files_[it->second.file].release(it->second.bytes);
}

void Checkpoint::check(const ModelConfig& config) const {
  Problems problems;
  std::set<std::string, std::less<>> known;
  for_each_tensor(config.shape, [&](std::string name, std::int64_t rows, std::int64_t cols) {
    const auto it = tensors_.find(name);
    const std::string problem =
        it == tensors_.end()
            ? fmt::format("tensor '{}': expected shape {}, not in the checkpoint", name, shape_text(rows, cols))
            : problem_of(name, it->second, rows, cols);
    if (!problem.empty()) problems.add("{}", problem);
    known.insert(std::move(name));
  });
  for (const auto& [name, entry] : tensors_)
    if (!known.contains(name) && !harmless(name, config.shape))
      problems.add("tensor '{}' {}: not part of a Llama model of {} layers", shown(name), shape_text(entry.shape),
                   config.shape.n_layers);
  problems.throw_if_any(folder_);
}

DType Checkpoint::dtype() const {
  constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
  const auto it = tensors_.find(kEmbedding);
  if (it == tensors_.end()) bad_input("{}: tensor '{}': not in the checkpoint", folder_, kEmbedding);
  if (!it->second.dtype)
    bad_input("{}: tensor '{}': expected dtype F32, F16 or BF16, found {}", folder_, kEmbedding,
              shown(it->second.dtype_name));
  return *it->second.dtype;
}

}  // namespace steergrid
