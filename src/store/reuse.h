// Finished units of another result file, for a grown sweep: what was computed once is copied, not computed again.
//
// A unit is copied whole or not at all: where a done unit of the old file has the same content identity (plan/identity:
// checkpoint, dtype, items, layers, coefficients, method, and for an evaluation the vectors it adds). The old file is
// untrusted: its tables must fit each other, its rows must have the new plan's shapes and the checksums of their
// records. It is only read. Rank 0 only; independent.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "store/result_file.h"

namespace steergrid::store {

/// By UnitKind: units of the new plan, and how many of them were copied now.
struct Reused {
  struct Count {
    int copied = 0, of = 0;
  };
  std::array<Count, 3> kinds;
  int copied() const { return kinds[0].copied + kinds[1].copied + kinds[2].copied; }
};

class OldResults {
 public:
  /// `identity`: this run's (store/identity). Throws Error (bad input): no result file, tables that contradict each
  /// other, or, without `allow_mixed`, another backend or GEMM library, or another instruction set for a
  /// dtype that both compute with.
  OldResults(const std::string& path, const std::string& identity, bool allow_mixed);
  ~OldResults();
  OldResults(OldResults&&) noexcept;

  /// Opens all that `copy_into` and `differences_from` will read, but reads no rows: for a child process, for HDF5 may
  /// crash on a damaged file. Throws Error (bad input).
  void open_all(const Plan& plan, bool activations) const;
  /// Copies what `file` has not yet and commits it, unit by unit in the plan's order; copied under another identity it
  /// bears the mark for that. Throws Error (bad input) at rows that are not what their record says.
  Reused copy_into(ResultFile& file, const Plan& plan, const SweepSpec& spec) const;
  /// Why not everything can be used: one line a difference between the plans.
  std::vector<std::string> differences_from(const std::string& plan_text) const;

 private:
  struct Open;
  std::unique_ptr<Open> open_;
};

}  // namespace steergrid::store
