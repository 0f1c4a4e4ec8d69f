// The rotary table every backend uses, made on the host so that they all rotate by the same numbers.
#include <cassert>
#include <cmath>

#include "kernels/backend.h"

namespace steergrid {

std::vector<float> rope_table(int positions, int head_size, float theta) {
  assert(positions >= 0 && head_size > 0 && head_size % 2 == 0);
  const int half = head_size / 2;
  std::vector<float> frequency(static_cast<std::size_t>(half));
  for (int i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_size);
    const auto power = static_cast<float>(std::pow(static_cast<double>(theta), static_cast<double>(exponent)));
    frequency[static_cast<std::size_t>(i)] = 1.0f / power;
  }
  std::vector<float> table(static_cast<std::size_t>(positions) * static_cast<std::size_t>(head_size));
  for (int p = 0; p < positions; ++p) {
    float* row = table.data() + static_cast<std::size_t>(p) * static_cast<std::size_t>(head_size);
    for (int i = 0; i < half; ++i) {
      const double angle = static_cast<float>(p) * frequency[static_cast<std::size_t>(i)];
      row[i] = static_cast<float>(std::cos(angle));
      row[half + i] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

}  // namespace steergrid
