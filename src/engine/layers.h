// The blocks of a model, one after another: all in memory (`resident`), or two at a time and read again each walk
// (`streamed`). Both give the same bits: a block's weights are the same wherever they were a moment ago.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/weights.h"

namespace steergrid {

/// What a stream of blocks has done so far; zeros for resident ones.
struct LayerTraffic {
  std::int64_t layers_loaded = 0;
  std::int64_t bytes_read = 0;
  double seconds_waited = 0;  // the computing thread, for blocks not there yet
};

class Layers {
 public:
  virtual ~Layers() = default;
  /// Block l's weights, valid until the next call. A walk asks for 0, 1, ... L-1; streamed blocks come in that order,
  /// so anything else costs reading past the others. Throws Error (run again) if the stream broke: a read failed, a
  /// file ended too soon. Only the thread of the model's backend calls it.
  virtual const LayerWeights& at(int l) = 0;
  virtual LayerTraffic traffic() const { return {}; }
};

std::unique_ptr<Layers> resident_layers(std::vector<LayerWeights> layers);

/// `pieces`: those of `n_layers` blocks. Reads and loads on threads of its own, onto a sibling of `on`. Throws Error as
/// WeightSource::open does.
std::unique_ptr<Layers> streamed_layers(Backend& on, const WeightSource& source, std::vector<Piece> pieces,
                                        int n_layers);

}  // namespace steergrid
