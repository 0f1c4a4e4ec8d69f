// Any bytes as a model's config.json: a shape, or one clear Error; nothing else.
#include "base/error.h"
#include "engine/config.h"
#include "tests/fuzz/fuzz_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace steergrid;
  put("config.json", data, size);
  try {
    read_config(fuzz_folder());
  } catch (const Error&) {
  }
  return 0;
}
