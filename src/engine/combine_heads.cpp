#include "engine/combine_heads.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace steergrid {
namespace {

/// A HeadRow as numbers: log-sum-exp, top token, top logit, the selected logits.
std::vector<double> flatten(const std::vector<HeadRow>& rows) {
  std::vector<double> flat;
  for (const HeadRow& r : rows) {
    flat.push_back(r.log_sum_exp);
    flat.push_back(r.top_token);
    flat.push_back(r.top_logit);
    flat.insert(flat.end(), r.selected.begin(), r.selected.end());
  }
  return flat;
}

double log_sum_exp(std::span<const double> parts) {
  double largest = parts[0];
  for (const double p : parts) largest = std::isnan(p) || p > largest ? p : largest;
  if (parts.size() == 1 || !std::isfinite(largest)) return largest;
  double sum = 0;
  for (const double p : parts) sum += std::exp(p - largest);
  return largest + std::log(sum);
}

}  // namespace

std::vector<Head> combine_heads(const std::vector<HeadRow>& mine, std::span<const std::int32_t> selected,
                                int vocabulary, Team& team) {
  const std::vector<double> flat = flatten(mine);
  const std::vector<std::byte> bytes = team.gather_host(std::as_bytes(std::span(flat)));
  std::vector<double> all(bytes.size() / sizeof(double));
  std::memcpy(all.data(), bytes.data(), bytes.size());

  const auto ranks = static_cast<std::size_t>(team.size());
  const std::size_t width = 3 + selected.size();
  const std::int32_t run = (vocabulary + team.size() - 1) / team.size();
  std::vector<Head> heads(mine.size());
  std::vector<double> parts(ranks);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const auto of_rank = [&](std::size_t t) { return std::span(all).subspan((t * mine.size() + i) * width, width); };
    for (std::size_t t = 0; t < ranks; ++t) parts[t] = of_rank(t)[0];
    const double total = log_sum_exp(parts);
    double top = 0;
    for (std::size_t t = 0; t < ranks; ++t) {
      const auto row = of_rank(t);
      if (row[1] < 0 || (heads[i].top_token >= 0 && !(row[2] > top))) continue;  // ties: the lower token
      heads[i].top_token = static_cast<std::int32_t>(row[1]);
      top = row[2];
    }
    heads[i].top_log_probability = heads[i].top_token < 0 ? std::nan("") : top - total;
    for (std::size_t j = 0; j < selected.size(); ++j)
      heads[i].log_probability.push_back(of_rank(static_cast<std::size_t>(selected[j] / run))[3 + j] - total);
  }
  return heads;
}

}  // namespace steergrid
