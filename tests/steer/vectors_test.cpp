// Means, norms and scales; and the published normalised vectors from the published raw ones.
#include "steer/vectors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

namespace steergrid {
namespace {

TEST(Vectors, MeansAddBlocksInOrderAndDivideByThePairs) {
  // Two blocks, one layer, two dimensions; three pairs.
  DifferenceSums sums(1, 2);
  sums.add(std::vector{3.0, 0.0}, std::vector{6.0});
  sums.add(std::vector{0.0, 12.0}, std::vector{12.0});
  const SteeringVectors v = mean_vectors(sums, 3);
  EXPECT_EQ(v.mean, (std::vector<float>{1.0f, 4.0f}));
  EXPECT_DOUBLE_EQ(v.mean_norm[0], std::sqrt(17.0));
  EXPECT_DOUBLE_EQ(v.residual_norm[0], 3.0);
}

TEST(Vectors, ScaleGivesEveryBehaviorTheMeanNormOfALayer) {
  const std::vector<std::vector<double>> norms{{1.0, 0.0}, {3.0, 5.0}};
  EXPECT_EQ(equal_norm_scale(norms[0], norms), (std::vector<double>{2.0, 0.0}));
  EXPECT_EQ(equal_norm_scale(norms[1], norms), (std::vector<double>{2.0 / 3.0, 0.5}));
  EXPECT_EQ(equal_norm_scale(norms[1], {}), (std::vector<double>{1.0, 1.0}));
}

TEST(Vectors, CoefficientsMayCountInResidualNorms) {
  SteeringVectors v;
  v.mean = {3.0f, 4.0f, 0.0f, 0.0f};
  v.mean_norm = {5.0, 0.0};
  v.residual_norm = {20.0, 7.0};
  v.scale = {2.0, 0.0};
  const std::vector<int> layers{0, 1};
  const AddedVectors multiplier = added_vectors(v, 2, layers, false);
  EXPECT_EQ(multiplier.vectors, (std::vector<float>{6.0f, 8.0f, 0.0f, 0.0f}));
  EXPECT_EQ(multiplier.unit, (std::vector<double>{1.0, 1.0}));
  EXPECT_EQ(added_vectors(v, 2, layers, true).unit, (std::vector<double>{2.0, 0.0}));
}

std::vector<float> read_floats(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  std::vector<float> values(static_cast<std::size_t>(in.tellg()) / sizeof(float));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  return values;
}

TEST(Vectors, NormaliseThePublishedLlama2VectorsAsPublished) {
  const char* data = std::getenv("STEERGRID_REFERENCE_DATA");
  if (data == nullptr) GTEST_SKIP() << "STEERGRID_REFERENCE_DATA is not set";
  constexpr std::size_t kBehaviors = 7, kLayers = 32, kHidden = 4096;
  const std::string folder = std::string(data) + "/vectors/";
  const std::vector<float> raw = read_floats(folder + "raw_7b-chat.f32.bin");
  const std::vector<float> published = read_floats(folder + "normalized_7b-chat.f32.bin");
  ASSERT_EQ(raw.size(), kBehaviors * kLayers * kHidden);
  ASSERT_EQ(published.size(), raw.size());
  std::vector<SteeringVectors> of;
  std::vector<std::vector<double>> norms;
  for (std::size_t b = 0; b < kBehaviors; ++b) {
    DifferenceSums sums(kLayers, kHidden);
    sums.add(std::vector<double>(raw.begin() + static_cast<std::ptrdiff_t>(b * kLayers * kHidden),
                                 raw.begin() + static_cast<std::ptrdiff_t>((b + 1) * kLayers * kHidden)),
             std::vector<double>(kLayers, 1.0));
    of.push_back(mean_vectors(sums, 1));
    norms.push_back(of.back().mean_norm);
  }
  std::vector<int> layers(kLayers);
  for (std::size_t l = 0; l < kLayers; ++l) layers[l] = static_cast<int>(l);
  double worst = 0;
  for (std::size_t b = 0; b < kBehaviors; ++b) {
    of[b].scale = equal_norm_scale(norms[b], norms);
    const AddedVectors added = added_vectors(of[b], kHidden, layers, false);
    for (std::size_t l = 0; l < kLayers; ++l) {
      double difference = 0, size = 0;
      for (std::size_t d = 0; d < kHidden; ++d) {
        const double expected = published[(b * kLayers + l) * kHidden + d];
        difference += std::pow(added.vectors[l * kHidden + d] - expected, 2);
        size += expected * expected;
      }
      worst = std::max(worst, std::sqrt(difference / size));
    }
  }
  EXPECT_LT(worst, 1e-6);
}

}  // namespace
}  // namespace steergrid
