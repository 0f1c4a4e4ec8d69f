// Philox against its published answers, and the weights of synthetic models against a reference written from the
// definition in kernels/synthetic.h with other means (long multiplication, bytes of a stream).
#include "kernels/synthetic.h"

#include <cmath>

#include "tests/kernels/arrays.h"

namespace steergrid::testing {
namespace {

TEST(Philox, GivesTheAnswersThatItsAuthorsPublished) {  // Random123's kat_vectors, philox4x32 10
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

/// High and low half of a * b, by 16-bit digits.
std::pair<std::uint32_t, std::uint32_t> product(std::uint32_t a, std::uint32_t b) {
  const std::uint32_t a0 = a & 0xffff, a1 = a >> 16, b0 = b & 0xffff, b1 = b >> 16;
  const std::uint32_t middle = a1 * b0 + (a0 * b0 >> 16);
  const std::uint32_t cross = a0 * b1 + (middle & 0xffff);
  return {a1 * b1 + (middle >> 16) + (cross >> 16), (cross << 16) | (a0 * b0 & 0xffff)};
}

/// One value of a tensor, in double.
double reference(std::uint64_t seed, std::uint64_t tensor, int exponent, std::int64_t row, std::int64_t column) {
  std::uint32_t x0 = static_cast<std::uint32_t>(column / 16), x1 = static_cast<std::uint32_t>(row);
  std::uint32_t x2 = static_cast<std::uint32_t>(tensor & 0xffffffff), x3 = static_cast<std::uint32_t>(tensor >> 32);
  for (std::uint32_t round = 0; round < 10; ++round) {
    const std::uint32_t k0 = static_cast<std::uint32_t>(seed & 0xffffffff) + round * 0x9E3779B9u;
    const std::uint32_t k1 = static_cast<std::uint32_t>(seed >> 32) + round * 0xBB67AE85u;
    const auto [high0, low0] = product(x0, 0xD2511F53u);
    const auto [high2, low2] = product(x2, 0xCD9E8D57u);
    x0 = high2 ^ x1 ^ k0;
    x1 = low2;
    x2 = high0 ^ x3 ^ k1;
    x3 = low0;
  }
  std::vector<unsigned> stream;
  for (const std::uint32_t word : {x0, x1, x2, x3})
    for (unsigned b = 0, rest = word; b < 4; ++b, rest >>= 8) stream.push_back(rest & 255u);
  const int byte = static_cast<int>(stream[static_cast<std::size_t>(column % 16)]);
  const int signed_byte = byte < 128 ? byte : byte - 256;
  return (2 * signed_byte + 1) * std::pow(2.0, -exponent);
}

/// A weight as `embed` reads it: every row, widened.
std::vector<float> rows_of(Backend& backend, const Tensor& weight) {
  const Matrix& w = weight.view();
  std::vector<std::int32_t> ids;
  for (std::int64_t r = 0; r < w.rows; ++r) ids.push_back(static_cast<std::int32_t>(r));
  const Tensor x = poisoned(backend, w.rows, w.cols);
  backend.embed(ids, weight, 0, x.view());
  return values_of(backend, x.view());
}

TEST(SyntheticWeights, AreThoseOfTheDefinitionInEveryDtypeAndEverySlice) {
  constexpr std::uint64_t kSeed = 0x123456789abcdef1, kTensor = 0xfedcba9876543210;
  const SyntheticPart parts[] = {{kSeed, kTensor, 13, 0, 0, 3, 16},
                                 {kSeed, kTensor, 13, 250, 0, 270, 33},
                                 {kSeed, kTensor, 17, 5, 7, 2, 100},
                                 {kSeed, kTensor, 8, 70000, 31, 1, 1},
                                 {kSeed, kTensor, 10, 1 << 22, 65519, 2, 34}};
  for (const DType dtype : kDTypes) {
    const auto backend = make_cpu_backend(dtype, 2);
    for (const SyntheticPart& part : parts) {
      const std::vector<float> found = rows_of(*backend, backend->make_weight(part));
      for (std::int64_t i = 0; i < part.rows * part.cols; ++i)
        ASSERT_EQ(
            static_cast<double>(found[static_cast<std::size_t>(i)]),
            reference(kSeed, kTensor, part.exponent, part.first_row + i / part.cols, part.first_col + i % part.cols))
            << name_of(dtype) << ", value " << i;
    }
  }
}

TEST(SyntheticWeights, SpreadAsTheirScaleSays) {
  const SyntheticPart part{.seed = 1, .tensor = 2, .exponent = synthetic_exponent(4096), .rows = 64, .cols = 4096};
  EXPECT_EQ(part.exponent, 13);
  EXPECT_EQ(synthetic_exponent(11008), 14);
  EXPECT_EQ(synthetic_exponent(1), 7);
  double sum = 0, squares = 0;
  std::vector<float> row(4096);
  for (std::int64_t r = 0; r < part.rows; ++r) {
    synthetic_row(part, r, row.data());
    for (const float v : row) {
      sum += v;
      squares += double{v} * v;
    }
  }
  const double n = 64 * 4096, expected = std::sqrt((65536.0 - 1) / 3) / 8192;  // uniform on the odd numbers to 255
  EXPECT_NEAR(sum / n, 0, 5 * expected / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n), expected, 0.01 * expected);
}

}  // namespace
}  // namespace steergrid::testing
