// From block sums to steering vectors: mean, norms and the scale that makes behaviors comparable. The coordinator does
// this once a vector source; it is a few thousand additions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace steergrid {

/// A vector source after extraction. L layers, D hidden.
struct SteeringVectors {
  std::vector<float> mean;            // [L, D] v = mean of (matching - other), raw
  std::vector<double> mean_norm;      // [L] ||v||
  std::vector<double> residual_norm;  // [L] mean ||h|| at the answer letter, over pairs and members
  std::vector<double> scale;          // [L] v' = v * scale; empty until `equal_norm_scale` filled it
};

/// Sums of Extract units, added one after another in the order of `add`: the plan's block order.
struct DifferenceSums {
  DifferenceSums(std::size_t n_layers, std::size_t n_hidden);
  /// One block: sums [L, D], norm_sums [L].
  void add(std::span<const double> block_sums, std::span<const double> block_norm_sums);

  std::size_t hidden;
  std::vector<double> sums, norm_sums;
};

/// Divides by the pairs; f64 until the last rounding. `scale` stays empty.
SteeringVectors mean_vectors(const DifferenceSums& of, std::int64_t pairs);

/// Equal norms per layer (nrimsky/CAA normalize_vectors.py): scale[l] = mean over the set of their ||v_l|| / ||v_l||.
/// `norms` holds [L] norms of each member of the set. A zero vector keeps scale 0. No set (empty): all ones.
std::vector<double> equal_norm_scale(std::span<const double> own_norm, std::span<const std::vector<double>> norms);

/// As bytes, for a message (mean, mean_norm, residual_norm, scale one after another), and back. Throws Error if the
/// bytes are not those of [n_layers, hidden] vectors.
std::vector<std::byte> encode(const SteeringVectors& vectors);
SteeringVectors decode_vectors(std::span<const std::byte> bytes, std::size_t n_layers, std::size_t hidden);

/// What evaluate units add: v' of some layers, and what a coefficient of 1 multiplies there.
struct AddedVectors {
  std::vector<float> vectors;  // [layers, D]
  std::vector<double> unit;    // [layers] 1, or ||h|| / ||v'|| where coefficients count in residual norms
};

AddedVectors added_vectors(const SteeringVectors& from, std::size_t hidden, std::span<const int> layers,
                           bool residual_norm_unit);

}  // namespace steergrid
