#include "tests/fuzz/fuzz_folder.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace steergrid {
namespace {

namespace fs = std::filesystem;

std::string folder;

std::string make_folder() {
  const fs::path memory = "/dev/shm";
  std::string path = ((fs::is_directory(memory) ? memory : fs::temp_directory_path()) / "fuzz-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) std::abort();
  std::atexit([] {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  });
  return path;
}

}  // namespace

const std::string& fuzz_folder() {
  if (folder.empty()) folder = make_folder();
  return folder;
}

std::string put(const std::string& name, const std::uint8_t* data, std::size_t size) {
  const std::string path = fuzz_folder() + "/" + name;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(data, 1, size, file) != size || std::fclose(file) != 0) std::abort();
  return path;
}

}  // namespace steergrid
