#include "plan/fit.h"

#include <fmt/format.h>

#include <algorithm>

#include "plan/print.h"
#include "plan/table.h"

namespace steergrid {
namespace {

constexpr std::int64_t kFewestRows = 1024;  // a stream that holds less is not worth running

/// The most rows, at least kFewestRows, with which a rank's memory is at most `budget`; 0: not even those fit.
std::int64_t most_rows_in(const ModelFacts& facts, MemoryOptions options, std::int64_t budget) {
  options.rows = kFewestRows;
  const std::int64_t least = memory_of(facts, options).total();
  if (least > budget) return 0;
  options.rows = 2 * kFewestRows;
  const std::int64_t step = memory_of(facts, options).total() - least;
  return kFewestRows + (budget - least) / std::max<std::int64_t>(step, 1) * kFewestRows;
}

/// Halves the chunk until a rank's memory is at most `budget` or the chunk is no larger than kFewestRows.
void shrink_chunk(const ModelFacts& facts, MemoryOptions& options, std::int64_t budget) {
  while (options.chunk_rows >= 2 * kFewestRows && memory_of(facts, options).total() > budget) options.chunk_rows /= 2;
}

std::string outcome(const Fit& fit, const Devices& devices) {
  if (!fit.divides) return "-";
  if (!fit.fits) return "does not fit";
  const int teams = devices.count / fit.degree;
  const std::string how = fit.streamed ? "streamed" : "resident";
  if (teams == 0) return fmt::format("{}, needs {} GPUs", how, fit.degree);
  return fmt::format("{}, {} team{}", how, teams, teams == 1 ? "" : "s");
}

}  // namespace

std::int64_t usable(std::int64_t memory) { return memory / 100 * 95; }

Fit fit_of(ModelFacts facts, MemoryOptions options, WeightsIn where, int degree, std::int64_t budget) {
  Fit fit;
  fit.degree = facts.tensor_parallel = degree;
  fit.divides = facts.shape.divides(degree);
  if (!fit.divides) return fit;
  MemoryOptions resident = options;
  shrink_chunk(facts, resident, budget);
  fit.rows = resident.rows;
  fit.chunk_rows = resident.chunk_rows;
  fit.memory = memory_of(facts, resident);
  fit.fits = fit.memory.total() <= budget;
  if (where == WeightsIn::Memory || (where == WeightsIn::Auto && fit.fits)) return fit;
  fit.streamed = options.streamed = true;
  std::int64_t rows = most_rows_in(facts, options, budget);
  while (rows < options.chunk_rows && options.chunk_rows >= 2 * kFewestRows) {  // its buffers take the room of rows
    options.chunk_rows /= 2;
    rows = most_rows_in(facts, options, budget);
  }
  fit.fits = rows > 0;
  fit.rows = options.rows = std::max(rows, kFewestRows);
  fit.chunk_rows = options.chunk_rows;
  fit.memory = memory_of(facts, options);
  return fit;
}

std::optional<Fit> smallest_fit(const ModelFacts& facts, const MemoryOptions& options, WeightsIn where,
                                const Devices& devices) {
  std::optional<Fit> streamed;
  for (const int degree : kDegrees) {
    if (degree > devices.count) break;
    const Fit fit = fit_of(facts, options, where, degree, usable(devices.memory));
    if (fit.fits && !fit.streamed) return fit;
    if (fit.fits && !streamed) streamed = fit;
  }
  return streamed;
}

std::string print_fits(const ModelFacts& facts, const MemoryOptions& options, WeightsIn where, const Devices& devices) {
  Table table({"", "weights", "whole", "in flight", "rank's total", "rows a pass", ""});
  for (const int degree : kDegrees) {
    const Fit fit = fit_of(facts, options, where, degree, usable(devices.memory));
    if (!fit.divides) continue;
    ModelFacts whole = facts;
    whole.tensor_parallel = degree;
    table.add({fmt::format("TP {}", degree), human_bytes(fit.memory.weights),
               human_bytes(memory_of(whole, options).weights), human_bytes(fit.memory.in_flight()),
               human_bytes(fit.memory.total()), human_count(fit.rows), outcome(fit, devices)});
  }
  std::string out =
      fmt::format("  a rank on a GPU of {} ({} of it planned for), {} GPU{}:\n{}", human_bytes(devices.memory),
                  human_bytes(usable(devices.memory)), devices.count, devices.count == 1 ? "" : "s", table.text());
  const auto best = smallest_fit(facts, options, where, devices);
  out += best ? fmt::format("  tensor_parallel: auto means {}, weights {}\n", best->degree,
                            best->streamed ? "streamed" : "resident")
              : "  tensor_parallel: auto finds nothing that fits\n";
  return out;
}

}  // namespace steergrid
