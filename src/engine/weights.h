// What a Llama's weights are, piece by piece, and the seam behind which they come from somewhere: a checkpoint's files
// (checkpoint_weights.h) or another source. Nothing here reads or computes; `Llama` and `Layers` ask for pieces in
// order.
//
// Slices (rank t of T): q, k, v, gate, up by rows; o and down by columns; embedding and head by vocabulary, in runs of
// ceil(V / T) tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/model_shape.h"
#include "kernels/backend.h"

namespace steergrid {

/// One tensor as one rank wants it: [rows, cols] in the source, of which rows or columns [first, first + count).
struct Piece {
  enum class Cut : std::uint8_t { Norm, Rows, Columns };  // Norm: a vector [1, cols], whole
  Cut cut = Cut::Norm;
  std::string name;  // as Hugging Face calls it
  std::int64_t rows = 1, cols = 0;
  std::int64_t first = 0, count = 0;
};

/// A rank among its team's, as far as slices go.
struct Share {
  int rank = 0;
  int ranks = 1;
};

struct LayerWeights {
  Tensor attention_norm, q, k, v, o;
  Tensor feed_forward_norm, gate, up, down;
};

/// The pieces of block l, in the order of LayerWeights' members.
std::vector<Piece> layer_pieces(const ModelShape& shape, Share share, int l);
/// The pieces outside the blocks. A rank whose share of the vocabulary is empty is an Error (bad input).
Piece embedding_piece(const ModelShape& shape, Share share);
Piece final_norm_piece(const ModelShape& shape);
Piece head_piece(const ModelShape& shape, Share share);

/// Hands out the tensors of a list in its order, on the backend it was opened for. Used by that backend's thread.
class WeightStream {
 public:
  virtual ~WeightStream() = default;
  /// Throws Error naming the tensor where it cannot be had.
  virtual Tensor next() = 0;
  /// Bytes that came from disk so far; may be asked from any thread.
  virtual std::int64_t bytes_read() const = 0;
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  /// `over_and_over`: after the last piece comes the first again. `on` must outlive the stream, the source need not.
  /// Throws Error naming a missing or misshapen tensor.
  virtual std::unique_ptr<WeightStream> open(Backend& on, std::vector<Piece> pieces, bool over_and_over) const = 0;
};

/// The next nine tensors of a stream as a block.
LayerWeights next_layer(WeightStream& from);

}  // namespace steergrid
