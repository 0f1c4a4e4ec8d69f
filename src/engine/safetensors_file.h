// One safetensors file: 8 bytes header length (little-endian), a JSON header, the tensors' data without gaps.
// Nothing in it is trusted: after read_safetensors every span lies inside the mapped file and holds exactly its shape.
// Knows nothing of models or folders; called by checkpoint only.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "engine/checkpoint.h"

namespace steergrid {

struct NamedTensor {
  std::string name;
  TensorEntry entry;  // `file` is left 0
};

/// Where the data begins: 8 + header length. Throws Error if that is not inside the file.
std::size_t safetensors_data_begin(const MappedFile& file);

/// The tensors in the order of their data. Throws Error naming the file and every tensor that is wrong, with what was
/// expected and found; of a truncated file, that it is one and nothing else.
std::vector<NamedTensor> read_safetensors(const MappedFile& file);

}  // namespace steergrid
