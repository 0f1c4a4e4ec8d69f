// What fits: whether a model's weights stay in a rank's memory or stream through it, at which tensor-parallel degree,
// with how many rows in flight. Arithmetic only; memory sizes come from the caller. `plan --gpu-memory` prints it, and
// `tensor_parallel: auto` means it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/cost.h"

namespace steergrid {

/// The degrees a team may have.
inline constexpr int kDegrees[] = {1, 2, 4, 8};

/// The devices a sweep may use: all alike.
struct Devices {
  std::int64_t memory = 0;  // bytes of one
  int count = 1;
};

/// One model at one degree.
struct Fit {
  int degree = 1;
  bool divides = true;          // the degree shares heads, key/value heads and feed-forward evenly
  bool streamed = false;        // the weights do not fit whole
  bool fits = false;            // as `streamed` says
  MemoryModel memory;           // of a rank, with `rows` in flight
  std::int64_t rows = 0;        // in one pass: at most what was asked for; streamed: as many as memory holds
  std::int64_t chunk_rows = 0;  // what was asked for, or less where that does not fit
};

/// Bytes of a device or host that a plan may fill: the rest is for the driver, fragments and what is not counted.
std::int64_t usable(std::int64_t memory);

/// A model of `facts` (its degree is ignored) at `degree` in `budget` bytes a rank. `options.rows` are in flight while
/// weights are resident. `where` Auto: streamed only if it does not fit resident.
Fit fit_of(ModelFacts facts, MemoryOptions options, WeightsIn where, int degree, std::int64_t budget);

/// The smallest degree of those `devices` can make that holds the weights; if none does, the smallest that can stream
/// them; nullopt if none can.
std::optional<Fit> smallest_fit(const ModelFacts& facts, const MemoryOptions& options, WeightsIn where,
                                const Devices& devices);

/// The table of a model's fits at all degrees, lines ended, and what `tensor_parallel: auto` would choose.
std::string print_fits(const ModelFacts& facts, const MemoryOptions& options, WeightsIn where, const Devices& devices);

}  // namespace steergrid
