// `steergrid run --reuse old.h5`: takes what an older result file has of this sweep, and says what that was.
#pragma once

#include <string>

#include "app/prepare.h"
#include "store/identity.h"
#include "store/reuse.h"

namespace steergrid {

class Reuse {
 public:
  /// `prepared` must outlive it. Throws Error (bad input) where `file` cannot be used, or is the output itself. Rank 0
  /// only; independent.
  Reuse(const std::string& file, const Prepared& prepared, const store::Provenance& provenance, bool allow_mixed);

  /// Copies, commits, and says in the log what was copied and what differs between the sweeps.
  void copy_into(store::ResultFile& output) const;

 private:
  std::string file_, plan_text_;
  const Prepared& prepared_;
  store::OldResults old_;
};

}  // namespace steergrid
