// Any bytes as a spec: a sweep whose names can be neither paths nor groups elsewhere, or one clear Error; nothing else.
#include <cstdlib>

#include "base/error.h"
#include "spec/sweep_spec.h"
#include "tests/fuzz/fuzz_folder.h"

namespace {

using namespace steergrid;

constexpr char kItem[] = R"json([{"question": "q (A) x (B) y", "answer_matching_behavior": "(A)",
  "answer_not_matching_behavior": "(B)"}])json";

void check_name(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find_first_of(std::string_view("/\0", 2)) != name.npos)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  put("d.json", reinterpret_cast<const std::uint8_t*>(kItem), sizeof kItem - 1);
  try {
    const SweepSpec spec = read_spec(put("sweep.yaml", data, size),
                                     [](const SweepSpec&, const ModelSpec&, SpecProblems&) { return ModelShape{}; });
    for (const auto& m : spec.models) check_name(m.name);
    for (const auto& v : spec.vectors) check_name(v.name);
    for (const auto& r : spec.runs) check_name(r.name);
  } catch (const Error&) {
  }
  return 0;
}
