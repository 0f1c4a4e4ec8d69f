#include "engine/write_synthetic.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/in_background.h"
#include "engine/byte_tokenizer.h"
#include "engine/weights.h"

namespace steergrid {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

/// A new file that says so when it cannot be written.
class Output {
 public:
  explicit Output(const fs::path& path) : path_(path.string()), out_(path, std::ios::binary) { check(); }
  void write(const void* data, std::size_t bytes) {
    out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
    check();
  }
  void write(const std::string& text) { write(text.data(), text.size()); }
  void close() {
    out_.close();
    check();
  }

 private:
  void check() {
    if (!out_) failed("{}: cannot write ({})", path_, std::strerror(errno));
  }
  std::string path_;
  std::ofstream out_;
};

using Shard = std::vector<Piece>;  // whole tensors

std::int64_t elements(const Piece& tensor) { return tensor.rows * tensor.cols; }

/// The model's tensors, in the order of Hugging Face's checkpoints.
std::vector<Piece> tensors_of(const ModelShape& shape) {
  constexpr Share kWhole{0, 1};
  std::vector<Piece> all{embedding_piece(shape, kWhole)};
  for (int l = 0; l < shape.n_layers; ++l)
    for (Piece& piece : layer_pieces(shape, kWhole, l)) all.push_back(std::move(piece));
  all.push_back(final_norm_piece(shape));
  if (!shape.tied_embeddings) all.push_back(head_piece(shape, kWhole));
  return all;
}

std::vector<Shard> shards_of(const ModelShape& shape, const WriteOptions& options) {
  std::vector<Shard> shards(1);
  std::int64_t filled = 0;
  for (Piece& tensor : tensors_of(shape)) {
    const std::int64_t bytes = elements(tensor) * static_cast<std::int64_t>(size_of(options.dtype));
    if (filled > 0 && filled + bytes > options.shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    filled += bytes;
    shards.back().push_back(std::move(tensor));
  }
  return shards;
}

std::string header_of(const Shard& shard, DType dtype) {
  ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  std::int64_t end = 0;
  for (const Piece& t : shard) {
    const std::int64_t begin = end;
    end += elements(t) * static_cast<std::int64_t>(size_of(dtype));
    const auto shape = t.cut == Piece::Cut::Norm ? ordered_json{t.cols} : ordered_json{t.rows, t.cols};
    const char* name = dtype == DType::Float32 ? "F32" : dtype == DType::Float16 ? "F16" : "BF16";
    header[t.name] = {{"dtype", name}, {"shape", shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

/// `values` in `dtype`, appended to `to`; exact, as every dtype holds the weights.
void append(const std::vector<float>& values, DType dtype, std::vector<std::byte>& to) {
  const std::size_t at = to.size(), size = size_of(dtype);
  to.resize(at + values.size() * size);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t half = dtype == DType::Float16 ? float_to_float16(values[i]) : float_to_bfloat16(values[i]);
    std::memcpy(&to[at + i * size], dtype == DType::Float32 ? static_cast<const void*>(&values[i]) : &half, size);
  }
}

void write_tensor(const SyntheticModel& model, const Piece& tensor, DType dtype, Output& out) {
  constexpr std::size_t kBuffer = std::size_t{4} << 20;
  const SyntheticPart whole = synthetic_part(model.seed, tensor);
  std::vector<float> row(static_cast<std::size_t>(tensor.cols), 1.0f);
  std::vector<std::byte> buffer;
  for (std::int64_t r = 0; r < tensor.rows; ++r) {
    if (tensor.cut != Piece::Cut::Norm) synthetic_row(whole, r, row.data());
    append(row, dtype, buffer);
    if (buffer.size() < kBuffer && r + 1 < tensor.rows) continue;
    out.write(buffer.data(), buffer.size());
    buffer.clear();
  }
}

void write_shard(const SyntheticModel& model, const Shard& shard, DType dtype, const fs::path& path) {
  Output out(path);
  const std::string header = header_of(shard, dtype);
  const auto bytes = static_cast<std::uint64_t>(header.size());
  std::string length;
  for (int i = 0; i < 8; ++i) length += static_cast<char>(bytes >> (8 * i) & 255u);
  out.write(length);
  out.write(header);
  for (const Piece& tensor : shard) write_tensor(model, tensor, dtype, out);
  out.close();
}

/// All shards, some at a time, in no order of time. `begun` is called for each, never twice at once.
void write_shards(const SyntheticModel& model, const std::vector<Shard>& shards, const std::vector<fs::path>& paths,
                  DType dtype, const std::function<void()>& begun) {
  std::atomic<std::size_t> next = 0;
  std::mutex one;
  const auto tell = [&] {
    const std::scoped_lock lock(one);
    begun();
  };
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < shards.size(); i = next++) {
        tell();
        write_shard(model, shards[i], dtype, paths[i]);
      }
    } catch (...) {
      next = shards.size();  // the others begin no more
      throw;
    }
  };
  std::vector<std::future<void>> writers;
  for (std::size_t n = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, shards.size()); n > 0; --n)
    writers.push_back(in_background(work));
  for (auto& writer : writers) writer.wait();
  for (auto& writer : writers) writer.get();
}

ordered_json config_of(const SyntheticModel& model, DType dtype) {
  const ModelShape& s = model.config.shape;
  return {{"_name_or_path", model.canonical()},
          {"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_act", "silu"},
          {"hidden_size", s.hidden},
          {"intermediate_size", s.feed_forward},
          {"num_hidden_layers", s.n_layers},
          {"num_attention_heads", s.n_heads},
          {"num_key_value_heads", s.n_kv_heads},
          {"head_dim", s.head_size},
          {"vocab_size", s.vocabulary},
          {"max_position_embeddings", model.config.max_positions},
          {"rms_norm_eps", model.config.rms_norm_eps},
          {"rope_theta", model.config.rope_theta},
          {"tie_word_embeddings", s.tied_embeddings},
          {"bos_token_id", model.config.bos_token},
          {"eos_token_id", 2},
          {"torch_dtype", std::string(name_of(dtype))}};
}

void write_text(const fs::path& path, const std::string& text) {
  Output out(path);
  out.write(text);
  out.close();
}

/// Throws Error unless the folder, made if need be, is empty and has room.
void prepare_folder(const fs::path& folder, std::int64_t bytes) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) failed("{}: cannot make this folder ({})", folder.string(), error.message());
  if (!fs::is_empty(folder, error)) bad_input("{}: expected a new or empty folder, found files in it", folder.string());
  const auto space = fs::space(folder, error);
  if (!error && space.available < static_cast<std::uintmax_t>(bytes))
    failed("{}: needs {:.1f} GB, {:.1f} GB are free", folder.string(), double(bytes) / 1e9,
           double(space.available) / 1e9);
}

}  // namespace

WrittenModel write_synthetic(const SyntheticModel& model, const std::string& folder, const WriteOptions& options,
                             const std::function<void(int shard, int shards)>& progress) {
  const std::vector<Shard> shards = shards_of(model.config.shape, options);
  const int n = static_cast<int>(shards.size());
  const std::int64_t bytes = model.config.shape.parameters() * static_cast<std::int64_t>(size_of(options.dtype));
  const fs::path root(folder);
  prepare_folder(root, bytes);
  ordered_json index = {{"metadata", {{"total_size", bytes}}}, {"weight_map", ordered_json::object()}};
  std::vector<fs::path> paths;
  for (int i = 0; i < n; ++i) {
    const std::string name = n == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, n);
    paths.push_back(root / name);
    for (const Piece& tensor : shards[static_cast<std::size_t>(i)]) index["weight_map"][tensor.name] = name;
  }
  write_shards(model, shards, paths, options.dtype, [&, begun = 0]() mutable {
    if (progress) progress(++begun, n);
  });
  if (n > 1) write_text(root / "model.safetensors.index.json", index.dump(2) + "\n");
  write_text(root / "tokenizer.model", byte_tokenizer_model());
  write_text(root / "config.json", config_of(model, options.dtype).dump(2) + "\n");
  return {n, bytes};
}

}  // namespace steergrid
