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

namespace fs = std::filesystem;

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

/// Problems of one kind: a wrong number in config.json changes most tensors, and three of them show what is wrong.
class Kind {
 public:
  explicit Kind(std::string_view what) : what_(what) {}
  void add(std::string text) {
    if (++count_ <= kShown) examples_.push_back(std::move(text));
  }
  void tell(std::size_t all, Problems& problems) const {
    if (count_ <= kShown) {
      for (const std::string& text : examples_) problems.add("{}", text);
    } else {
      problems.add("{} of {} tensors {}: {}; and {} more", count_, all, what_, fmt::join(examples_, "; "),
                   count_ - kShown);
    }
  }

 private:
  static constexpr std::size_t kShown = 3;
  std::string_view what_;
  std::size_t count_ = 0;
  std::vector<std::string> examples_;
};

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

/// What a folder holds in the place of a checkpoint, for a message.
std::string what_lies_in(const fs::path& root) {
  std::error_code error;
  if (!fs::is_directory(root, error)) return "no such folder";
  for (const char* name : {kSingle, kIndex})
    if (fs::is_symlink(root / name, error))
      return fmt::format("the link {} to {}, which is not there or cannot be reached", name,
                         shown(fs::read_symlink(root / name, error).string()));
  std::set<std::string> names, shards;
  for (auto entry = fs::directory_iterator(root, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const fs::path name = entry->path().filename();
    (name.extension() == ".safetensors" ? shards : names).insert(shown(name.string()));
  }
  if (error) return fmt::format("a folder that cannot be read ({})", error.message());
  if (names.contains("pytorch_model.bin") || names.contains("pytorch_model.bin.index.json"))
    return "only pytorch_model.bin: save the model with safe_serialization=True";
  if (!shards.empty())
    return fmt::format("{} file(s) such as {} without their index: put {} beside them", shards.size(), *shards.begin(),
                       kIndex);
  if (names.empty()) return "an empty folder";
  constexpr std::ptrdiff_t kNamed = 6;
  const auto end = std::next(names.begin(), std::min(std::ssize(names), kNamed));
  return fmt::format("neither; there {} {}{}", names.size() == 1 ? "is" : "are", fmt::join(names.begin(), end, ", "),
                     std::ssize(names) > kNamed ? ", ..." : "");
}

}  // namespace

Checkpoint::Checkpoint(const std::string& folder) : folder_(folder) {
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
    bad_input("{}: expected {} or {}, found {}", folder, kSingle, kIndex, what_lies_in(root));
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
  Kind elsewhere("are not where the index says");
  for (const auto& [tensor, shard] : shard_of)
    if (const auto it = tensors_.find(tensor); it == tensors_.end() || files_[it->second.file].path() != root / shard)
      elsewhere.add(fmt::format("tensor '{}': the index says {}, but it is not there", shown(tensor), shown(shard)));
  elsewhere.tell(shard_of.size(), problems);
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
  Kind different("are not as config.json says"), missing("of config.json's model are missing"),
      foreign("are not of config.json's model");
  std::set<std::string, std::less<>> known;
  for_each_tensor(config.shape, [&](std::string name, std::int64_t rows, std::int64_t cols) {
    const auto it = tensors_.find(name);
    if (it == tensors_.end())
      missing.add(fmt::format("tensor '{}': expected shape {}, not in the checkpoint", name, shape_text(rows, cols)));
    else if (std::string problem = problem_of(name, it->second, rows, cols); !problem.empty())
      different.add(std::move(problem));
    known.insert(std::move(name));
  });
  for (const auto& [name, entry] : tensors_)
    if (!known.contains(name) && !harmless(name, config.shape))
      foreign.add(fmt::format("tensor '{}' {}: not part of a Llama model of {} layers", shown(name),
                              shape_text(entry.shape), config.shape.n_layers));
  Problems problems;
  different.tell(tensors_.size(), problems);
  missing.tell(known.size(), problems);
  foreign.tell(tensors_.size(), problems);
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
