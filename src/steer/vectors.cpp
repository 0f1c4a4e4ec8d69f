#include "steer/vectors.h"

#include <cmath>
#include <cstring>

#include "base/error.h"

namespace steergrid {
namespace {

template <class T>
void append(std::vector<std::byte>& bytes, const std::vector<T>& values) {
  const auto raw = std::as_bytes(std::span(values));
  bytes.insert(bytes.end(), raw.begin(), raw.end());
}

template <class T>
std::vector<T> take(std::span<const std::byte>& bytes, std::size_t count) {
  std::vector<T> values(count);
  std::memcpy(values.data(), bytes.data(), count * sizeof(T));
  bytes = bytes.subspan(count * sizeof(T));
  return values;
}

}  // namespace

DifferenceSums::DifferenceSums(std::size_t n_layers, std::size_t n_hidden)
    : hidden(n_hidden), sums(n_layers * n_hidden), norm_sums(n_layers) {}

void DifferenceSums::add(std::span<const double> block_sums, std::span<const double> block_norm_sums) {
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += block_sums[i];
  for (std::size_t l = 0; l < norm_sums.size(); ++l) norm_sums[l] += block_norm_sums[l];
}

SteeringVectors mean_vectors(const DifferenceSums& of, std::int64_t pairs) {
  const auto n = static_cast<double>(pairs);
  SteeringVectors v;
  for (const double sum : of.sums) v.mean.push_back(static_cast<float>(sum / n));
  for (std::size_t l = 0; l < of.norm_sums.size(); ++l) {
    double squares = 0;
    for (const float x : std::span(v.mean).subspan(l * of.hidden, of.hidden)) squares += double{x} * double{x};
    v.mean_norm.push_back(std::sqrt(squares));
    v.residual_norm.push_back(of.norm_sums[l] / (2 * n));
  }
  return v;
}

std::vector<double> equal_norm_scale(std::span<const double> own_norm, std::span<const std::vector<double>> norms) {
  std::vector<double> scale(own_norm.size(), 1.0);
  if (norms.empty()) return scale;
  for (std::size_t l = 0; l < scale.size(); ++l) {
    double sum = 0;
    for (const std::vector<double>& n : norms) sum += n[l];
    scale[l] = own_norm[l] == 0 ? 0.0 : sum / static_cast<double>(norms.size()) / own_norm[l];
  }
  return scale;
}

std::vector<std::byte> encode(const SteeringVectors& vectors) {
  std::vector<std::byte> bytes;
  append(bytes, vectors.mean);
  append(bytes, vectors.mean_norm);
  append(bytes, vectors.residual_norm);
  append(bytes, vectors.scale);
  return bytes;
}

SteeringVectors decode_vectors(std::span<const std::byte> bytes, std::size_t n_layers, std::size_t hidden) {
  const std::size_t expected = n_layers * (hidden * sizeof(float) + 3 * sizeof(double));
  if (bytes.size() != expected) failed("steering vectors of {} bytes: expected {}", bytes.size(), expected);
  SteeringVectors v;
  v.mean = take<float>(bytes, n_layers * hidden);
  v.mean_norm = take<double>(bytes, n_layers);
  v.residual_norm = take<double>(bytes, n_layers);
  v.scale = take<double>(bytes, n_layers);
  return v;
}

AddedVectors added_vectors(const SteeringVectors& from, std::size_t hidden, std::span<const int> layers,
                           bool residual_norm_unit) {
  AddedVectors added;
  for (const int layer : layers) {
    const auto l = static_cast<std::size_t>(layer);
    for (const float x : std::span(from.mean).subspan(l * hidden, hidden))
      added.vectors.push_back(static_cast<float>(double{x} * from.scale[l]));
    const double norm = from.mean_norm[l] * from.scale[l];
    added.unit.push_back(!residual_norm_unit ? 1.0 : norm == 0 ? 0.0 : from.residual_norm[l] / norm);
  }
  return added;
}

}  // namespace steergrid
