#include "engine/staged_team.h"

namespace steergrid {

std::vector<Matrix> StagedTeam::gather(Matrix mine) {
  const auto n = static_cast<std::size_t>(size());
  host_.resize(mine.bytes());
  backend_->download(mine, host_);
  Matrix on_host = mine;
  on_host.data = host_.data();
  std::vector<Matrix> parts = members_.gather(on_host);
  parts_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (parts_[i].view().bytes() < mine.bytes()) {
      parts_[i] = {};  // before there is another
      parts_[i] = backend_->allocate(mine.rows, mine.cols, mine.dtype);
    }
    const std::span bytes(parts[i].as<const std::byte>(), mine.bytes());
    parts[i].data = parts_[i].view().data;
    backend_->upload(parts[i], bytes);
  }
  return parts;
}

}  // namespace steergrid
