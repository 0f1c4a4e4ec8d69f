// The tensors of a checkpoint folder: one model.safetensors, or the shards that model.safetensors.index.json names.
// Files are mapped, nothing is copied; headers are untrusted and checked whole before any tensor is handed out (header
// inside the file, offsets inside the data, no overlaps, bytes = product of shape and dtype, shards inside the folder).
// Tensors start wherever their file puts them: data has no alignment, and whoever reads it must memcpy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/mapped_file.h"
#include "engine/config.h"
#include "kernels/tensor.h"

namespace steergrid {

struct TensorEntry {
  std::optional<DType> dtype;  // nothing: one that the engine cannot compute with; listed, but refused when asked for
  std::string dtype_name;      // as the file says it: "F32", "BF16", "I8", ...
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // unaligned
  std::size_t file = 0;              // index of the shard that holds it
};

class Checkpoint {
 public:
  /// Maps the folder's files and reads their headers. Throws Error naming file, tensor, expected and found.
  explicit Checkpoint(const std::string& folder);

  bool contains(std::string_view name) const;
  /// The tensor as a matrix of exactly [rows, cols] (a vector is [1, cols]). Throws Error naming the tensor and both
  /// shapes, or the missing tensor, or a dtype that is not F32, F16 or BF16.
  HostMatrix matrix(std::string_view name, std::int64_t rows, std::int64_t cols) const;
  /// Rows [first, first+count) or columns of such a matrix: one rank's slice.
  static HostMatrix row_slice(HostMatrix m, std::int64_t first, std::int64_t count);
  static HostMatrix column_slice(HostMatrix m, std::int64_t first, std::int64_t count);
  /// Lets a loaded tensor's pages go.
  void release(std::string_view name) const;

  /// Checks that every tensor of a model of `config` is there with its shape and a usable dtype, and that no other is
  /// (a parameter left out would change results without a word; old files' rotary_emb.inv_freq and a tied model's
  /// lm_head are let pass); all problems in one Error, a line a kind of problem where there are many.
  void check(const ModelConfig& config) const;
  /// The dtype of the checkpoint's matrices (that of the embedding table). Throws Error if there is none.
  DType dtype() const;
  const std::map<std::string, TensorEntry, std::less<>>& tensors() const { return tensors_; }
  const std::vector<MappedFile>& files() const { return files_; }

 private:
  std::string folder_;
  std::vector<MappedFile> files_;
  std::map<std::string, TensorEntry, std::less<>> tensors_;
};

/// Identity of a checkpoint: config.json, tokenizer.model, the safetensors files' names, headers and sizes, and sampled
/// blocks of the data: 64 KiB at every multiple of 64 MiB and the last 64 KiB of each file (all of it with `full`,
/// which gives another identity). 16 hex digits. Does not depend on where the folder lies. Throws Error as Checkpoint
/// does.
std::string checkpoint_identity(const std::string& folder, bool full);

}  // namespace steergrid
