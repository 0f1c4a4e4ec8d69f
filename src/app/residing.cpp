#include "app/residing.h"

#include <algorithm>
#include <limits>

namespace steergrid {
namespace {

PassRows least(const PassRows& a, const PassRows& b) {
  return {std::min(a.in_pass, b.in_pass), std::min(a.in_chunk, b.in_chunk)};
}

}  // namespace

Fit fit_in(const ModelFacts& facts, WeightsIn where, const Room& room) {
  return fit_of(facts, room.options, where, facts.tensor_parallel, room.bytes);
}

Residing residing_of(const ModelFacts& facts, WeightsIn where, const Room& room) {
  const Fit resident = fit_in(facts, WeightsIn::Memory, room), streaming = fit_in(facts, WeightsIn::Stream, room);
  const std::int64_t most = room.rows_wanted > 0 ? room.rows_wanted : std::numeric_limits<std::int64_t>::max();
  return {fit_in(facts, where, room).streamed,
          {room.options.rows, resident.chunk_rows},
          {std::min(most, streaming.rows), streaming.chunk_rows}};
}

Residing most_careful(std::span<const Residing> all) {
  Residing agreed = all.front();
  for (const Residing& one : all) {
    agreed.streamed = std::max(agreed.streamed, one.streamed);
    agreed.if_resident = least(agreed.if_resident, one.if_resident);
    agreed.if_streamed = least(agreed.if_streamed, one.if_streamed);
  }
  return agreed;
}

}  // namespace steergrid
