// Any bytes as a data set: items, or one clear Error; nothing else.
#include "base/error.h"
#include "spec/data_set.h"
#include "tests/fuzz/fuzz_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace steergrid;
  try {
    read_data_set(put("behavior.json", data, size), 100);
  } catch (const Error&) {
  }
  return 0;
}
