// Writes a synthetic model as a checkpoint folder in Hugging Face's layout, for tests of loaders and of streaming:
// config.json, model.safetensors or shards with their index, and the byte tokenizer as tokenizer.model. The folder has
// the weights of the name, bit for bit, in every dtype. Called by `steergrid make-model`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/dtype.h"
#include "engine/synthetic_model.h"

namespace steergrid {

struct WriteOptions {
  DType dtype = DType::Float16;
  std::int64_t shard_bytes = std::int64_t{5} * 1000 * 1000 * 1000;  // a larger tensor has a shard to itself
};

struct WrittenModel {
  int shards = 0;
  std::int64_t bytes = 0;  // of tensors
};

/// Writes into `folder`, which must be new or empty, shards side by side, with a few MiB of memory for each;
/// `progress` hears of each that begins, one at a time.
/// config.json comes last: an interrupted folder has none. Throws Error (no space, cannot write, not empty).
WrittenModel write_synthetic(const SyntheticModel& model, const std::string& folder, const WriteOptions& options,
                             const std::function<void(int shard, int shards)>& progress = {});

}  // namespace steergrid
