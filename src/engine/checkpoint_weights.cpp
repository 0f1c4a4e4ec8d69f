#include "engine/checkpoint_weights.h"

#include <fmt/format.h>

#include "engine/read_ahead.h"

namespace steergrid {
namespace {

/// The part of a checkpoint's tensor that a piece needs to be read, and how it then lies in memory.
struct Read {
  Extent extent;
  HostMatrix shape;  // `data` is filled in when the bytes are there
  std::size_t skip;  // from the first byte read to the slice's first
  Piece::Cut cut;
};

Read read_of(const Checkpoint& checkpoint, const Piece& piece) {
  const HostMatrix whole = checkpoint.matrix(piece.name, piece.rows, piece.cols);
  const bool by_rows = piece.cut == Piece::Cut::Rows;
  const HostMatrix read = by_rows ? Checkpoint::row_slice(whole, piece.first, piece.count) : whole;
  const HostMatrix wanted =
      piece.cut == Piece::Cut::Columns ? Checkpoint::column_slice(whole, piece.first, piece.count) : read;
  const std::size_t file = checkpoint.tensors().find(piece.name)->second.file;
  const auto offset = static_cast<std::uint64_t>(read.data - checkpoint.files()[file].bytes().data());
  const auto bytes = static_cast<std::size_t>(read.rows * read.stride) * size_of(read.dtype);
  return {{fmt::format("tensor '{}'", piece.name), file, offset, bytes},
          wanted,
          static_cast<std::size_t>(wanted.data - read.data),
          piece.cut};
}

class CheckpointStream final : public WeightStream {
 public:
  CheckpointStream(Backend& on, const std::vector<std::string>& paths, std::vector<Read> reads, bool over_and_over)
      : on_(on),
        reads_(std::move(reads)),
        ahead_(paths, extents(reads_), over_and_over, [&on](std::size_t bytes) { return on.allocate_host(bytes); }) {}

  Tensor next() override {
    const Read& read = reads_[turn_];
    turn_ = (turn_ + 1) % reads_.size();
    HostMatrix from = read.shape;
    from.data = ahead_.next().data() + read.skip;
    return read.cut == Piece::Cut::Norm ? on_.load_norm(from) : on_.load_weight(from);
  }
  std::int64_t bytes_read() const override { return ahead_.bytes_read(); }

 private:
  static std::vector<Extent> extents(const std::vector<Read>& reads) {
    std::vector<Extent> all;
    for (const Read& r : reads) all.push_back(r.extent);
    return all;
  }

  Backend& on_;
  std::vector<Read> reads_;
  std::size_t turn_ = 0;
  ReadAhead ahead_;
};

}  // namespace

std::unique_ptr<WeightStream> CheckpointWeights::open(Backend& on, std::vector<Piece> pieces,
                                                      bool over_and_over) const {
  std::vector<Read> reads;
  for (const Piece& piece : pieces) reads.push_back(read_of(checkpoint_, piece));
  std::vector<std::string> paths;
  for (const MappedFile& file : checkpoint_.files()) paths.push_back(file.path());
  return std::make_unique<CheckpointStream>(on, paths, std::move(reads), over_and_over);
}

}  // namespace steergrid
