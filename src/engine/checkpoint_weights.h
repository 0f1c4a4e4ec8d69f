// Weights from a checkpoint's files: read ahead in large parallel reads (read_ahead.h), loaded onto the backend one
// after another. Slices of rows are read alone; of tensors sliced by columns whole rows are read, and cut by the
// backend.
#pragma once

#include "engine/checkpoint.h"
#include "engine/weights.h"

namespace steergrid {

class CheckpointWeights final : public WeightSource {
 public:
  /// `checkpoint` must outlive this, not the streams.
  explicit CheckpointWeights(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}
  std::unique_ptr<WeightStream> open(Backend& on, std::vector<Piece> pieces, bool over_and_over) const override;

 private:
  const Checkpoint& checkpoint_;
};

}  // namespace steergrid
