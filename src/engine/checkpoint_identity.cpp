// Which checkpoint a run used, in 16 digits, within seconds even for 140 GB: everything small is hashed whole, the data
// at fixed positions. Two checkpoints that differ in training differ in every block, so samples tell them apart.
#include <algorithm>
#include <filesystem>

#include "base/fingerprint.h"
#include "engine/checkpoint.h"
#include "engine/safetensors_file.h"

namespace steergrid {

namespace {

constexpr std::size_t kSample = std::size_t{64} << 10;
constexpr std::size_t kEvery = std::size_t{64} << 20;

void add_sized(Fingerprint& fingerprint, std::span<const std::byte> bytes) {
  fingerprint.add(static_cast<std::int64_t>(bytes.size()));
  fingerprint.bytes(bytes);
}

/// The blocks depend on the size alone. Pages are let go at once, so hashing 140 GB does not fill the memory.
void add_data(Fingerprint& fingerprint, const MappedFile& file, std::span<const std::byte> data, bool full) {
  for (std::size_t at = 0; at < data.size(); at += kEvery) {
    const auto block = data.subspan(at, std::min(full ? kEvery : kSample, data.size() - at));
    fingerprint.bytes(block);
    file.release(block);
  }
  fingerprint.bytes(data.last(std::min(kSample, data.size())));
}

}  // namespace

std::string checkpoint_identity(const std::string& folder, bool full) {
  namespace fs = std::filesystem;
  Fingerprint fingerprint;
  fingerprint.add(std::string_view(full ? "steergrid checkpoint 1, full" : "steergrid checkpoint 1, sampled"));
  for (const char* name : {"config.json", "tokenizer.model"}) {
    const fs::path path = fs::path(folder) / name;
    fingerprint.add(std::string_view(name));
    if (!fs::exists(path)) continue;
    const MappedFile file(path.string());
    add_sized(fingerprint, file.bytes());
  }
  const Checkpoint checkpoint(folder);
  for (const MappedFile& file : checkpoint.files()) {
    const std::size_t begin = safetensors_data_begin(file);
    fingerprint.add(fs::path(file.path()).filename().string());
    fingerprint.add(static_cast<std::int64_t>(file.bytes().size()));
    add_sized(fingerprint, file.bytes().first(begin));
    add_data(fingerprint, file, file.bytes().subspan(begin), full);
  }
  return fingerprint.hex();
}

}  // namespace steergrid
