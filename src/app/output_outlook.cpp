#include "app/output_outlook.h"

#include <fmt/format.h>

#include <filesystem>

#include "app/untrusted_result.h"
#include "base/clock.h"
#include "base/printable.h"
#include "plan/identity.h"
#include "plan/print.h"
#include "store/create.h"
#include "store/identity.h"
#include "store/status.h"

namespace steergrid {
namespace {

namespace fs = std::filesystem;

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);  // what cannot be looked at, `prepare` has refused
}

/// The folder of `path`, or the nearest one above it that is there.
fs::path folder_above(const std::string& path) {
  fs::path folder = fs::path(path).parent_path();
  while (folder.has_relative_path() && !exists(folder.string())) folder = folder.parent_path();
  return folder;
}

std::string as_new(const Prepared& p) {
  const auto bytes = static_cast<std::int64_t>(store::result_file_bytes(p.plan, p.spec));
  const fs::path folder = folder_above(p.spec.output);
  std::error_code error;
  const fs::space_info disk = fs::space(folder, error);
  const std::string room =
      error ? "a disk that does not answer"
            : human_bytes(static_cast<std::int64_t>(disk.available)) + " free in " + printable(folder.string());
  return fmt::format("result file: {}, taken when the run begins; {}", human_bytes(bytes), room);
}

}  // namespace

std::string output_outlook(const Prepared& p) {
  if (!exists(p.spec.output)) return as_new(p);
  try_in_a_child(untrusted_result(p.spec.output), [&] { store::read_status(p.spec.output, wall_ns()); });
  const store::Status there = store::read_status(p.spec.output, wall_ns());
  return fmt::format("result file: there, {} of {} units done", there.total.done, there.total.total);
}

void check_existing_output(const Prepared& p) {
  if (!exists(p.spec.output)) return;
  const std::string text = describe(p.plan, p.spec);
  try_in_a_child(untrusted_result(p.spec.output), [&] { store::check_plan_of(p.spec.output, p.plan, text); });
}

}  // namespace steergrid
