// Any bytes as a safetensors file: tensors that lie inside the file, or one clear Error; nothing else.
#include <cstdlib>

#include "base/error.h"
#include "engine/safetensors_file.h"
#include "tests/fuzz/fuzz_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace steergrid;
  try {
    const MappedFile file(put("model.safetensors", data, size));
    const std::byte* begin = file.bytes().data();
    for (const NamedTensor& tensor : read_safetensors(file))
      if (!tensor.entry.bytes.empty() &&
          (tensor.entry.bytes.data() < begin || tensor.entry.bytes.data() + tensor.entry.bytes.size() > begin + size))
        std::abort();
  } catch (const Error&) {
  }
  return 0;
}
