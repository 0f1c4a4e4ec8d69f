// A unit's arrays on their way into the result file: views without copies for those who write, and owned arrays with a
// byte form for what travels inside DONE. Shapes: Q questions, L layers, C coefficients, A letters, D hidden, P pairs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace steergrid::store {

/// Of an Extract unit: sums over its pairs, for all layers of the model.
struct BlockRows {
  std::span<const double> sums;        // [L, D]
  std::span<const double> norm_sums;   // [L]
  std::span<const float> activations;  // [P, 2, L, D] where the sweep stores them, else empty
};

/// Of a Vectors unit.
struct VectorRows {
  std::span<const float> mean;                              // [L, D]
  std::span<const double> scale, mean_norm, residual_norm;  // [L]
};

/// Of an Evaluate unit.
struct EvaluationRows {
  std::span<const double> letter_logprob;            // [Q, L, C, A]
  std::span<const std::int32_t> top_token;           // [Q, L, C]
  std::span<const double> top_logprob;               // [Q, L, C]
  std::span<const double> baseline_logprob;          // [Q, A]
  std::span<const std::int32_t> baseline_top_token;  // [Q]
  std::span<const double> baseline_top_logprob;      // [Q]
};

struct Block {
  std::vector<double> sums, norm_sums;
  std::vector<float> activations;
  BlockRows rows() const { return {sums, norm_sums, activations}; }
};

struct Vectors {
  std::vector<float> mean;
  std::vector<double> scale, mean_norm, residual_norm;
  VectorRows rows() const { return {mean, scale, mean_norm, residual_norm}; }
};

struct Evaluation {
  std::vector<double> letter_logprob;
  std::vector<std::int32_t> top_token;
  std::vector<double> top_logprob, baseline_logprob;
  std::vector<std::int32_t> baseline_top_token;
  std::vector<double> baseline_top_logprob;
  EvaluationRows rows() const {
    return {letter_logprob, top_token, top_logprob, baseline_logprob, baseline_top_token, baseline_top_logprob};
  }
};

/// The rows as bytes, each array with its length. Decoding throws Error where the bytes are no such rows.
std::vector<std::byte> encode(const BlockRows& rows);
std::vector<std::byte> encode(const EvaluationRows& rows);
Block decode_block(std::span<const std::byte> bytes);
Evaluation decode_evaluation(std::span<const std::byte> bytes);

/// What a record's `crc` holds: the checksum over all arrays and their lengths (activations, which may be rounded, left
/// out). So a unit read back can be checked.
std::uint64_t checksum_of(const BlockRows& rows);
std::uint64_t checksum_of(const VectorRows& rows);
std::uint64_t checksum_of(const EvaluationRows& rows);

}  // namespace steergrid::store
