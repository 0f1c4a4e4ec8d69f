#include "app/reuse.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "app/untrusted_result.h"
#include "base/error.h"

namespace steergrid {
namespace {

constexpr std::size_t kMostLines = 20;  // of differences

store::OldResults open(const std::string& file, const Prepared& prepared, const std::string& identity, bool mixed) {
  std::error_code ignored;
  if (std::filesystem::equivalent(file, prepared.spec.output, ignored))
    bad_input("--reuse: expected an older result file, found the sweep's own output {}", prepared.spec.output);
  try_in_a_child(untrusted_result(file), [&] {
    store::OldResults(file, identity, mixed)
        .open_all(prepared.plan, prepared.spec.activations != ActivationStore::None);
  });
  return {file, identity, mixed};
}

}  // namespace

Reuse::Reuse(const std::string& file, const Prepared& prepared, const store::Provenance& provenance, bool allow_mixed)
    : file_(file),
      plan_text_(provenance.plan_text),
      prepared_(prepared),
      old_(open(file, prepared, provenance.identity, allow_mixed)) {}

void Reuse::copy_into(store::ResultFile& output) const {
  const store::Reused reused = old_.copy_into(output, prepared_.plan, prepared_.spec);
  const auto& [extract, vectors, evaluate] = reused.kinds;
  spdlog::info(
      "reused from {}: {} of {} extract units, {} of {} vectors, {} of {} evaluate units; the rest is computed", file_,
      extract.copied, extract.of, vectors.copied, vectors.of, evaluate.copied, evaluate.of);
  const auto lines = old_.differences_from(plan_text_);
  for (std::size_t i = 0; i < std::min(lines.size(), kMostLines); ++i) spdlog::info("  {}", lines[i]);
  if (lines.size() > kMostLines) spdlog::info("  and {} more differences", lines.size() - kMostLines);
}

}  // namespace steergrid
