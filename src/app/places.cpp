#include "app/places.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/error.h"
#include "kernels/backend.h"

namespace steergrid {

bool on_gpus(std::span<const Place> places, BackendChoice choice) {
  const auto without = std::ranges::find_if(places, [](const Place& s) { return s.works && s.gpus == 0; });
  const auto with = std::ranges::find_if(places, [](const Place& s) { return s.works && s.gpus > 0; });
  if (choice == BackendChoice::Cpu || (choice == BackendChoice::Auto && with == places.end())) return false;
  if (without == places.end()) return true;
  if (choice == BackendChoice::Cuda && with == places.end()) make_cuda_backend(DType::Float32, 0);  // says why
  bad_input("rank {} on {} sees no GPU: expected one for every worker, or --backend cpu", without - places.begin(),
            without->host_name());
}

std::optional<std::pair<std::size_t, std::size_t>> sharers(std::span<const Place> places) {
  for (std::size_t a = 0; a < places.size(); ++a)
    for (std::size_t b = a + 1; b < places.size(); ++b)
      if (places[a].works && places[b].works && places[a].host_name() == places[b].host_name() &&
          places[a].uuid() == places[b].uuid())
        return std::pair(a, b);
  return std::nullopt;
}

std::string gpu_names(std::span<const Place> places) {
  std::vector<std::pair<std::string, int>> kinds;
  for (const Place& s : places) {
    if (!s.works) continue;
    const auto same = std::ranges::find(kinds, s.name.data(), &std::pair<std::string, int>::first);
    if (same == kinds.end())
      kinds.emplace_back(s.name.data(), 1);
    else
      ++same->second;
  }
  std::string text;
  for (const auto& [name, count] : kinds) text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, name);
  return text;
}

std::int64_t least_memory(std::span<const Place> places) {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (const Place& s : places) {
    if (!s.works) continue;
    const auto sharing = std::ranges::count_if(places, [&](const Place& other) {
      return other.works && other.host_name() == s.host_name() && other.uuid() == s.uuid();
    });
    least = std::min(least, s.memory / sharing);
  }
  return least;
}

std::string seat_text(const Place& place) {
  if (place.works == 0) return fmt::format("{}: coordinator", place.host_name());
  std::string text = fmt::format("{}: worker {} of {}", place.host_name(), place.worker, place.workers);
  if (place.uuid().empty())
    text += ", CPUs";
  else
    text += fmt::format(", GPU {} of {}, {}, {}", place.number, place.gpus, place.name.data(), place.uuid());
  const std::string_view visible = place.visible.data();
  const bool cut = visible.size() + 1 == place.visible.size();
  return visible.empty() ? text : fmt::format("{}, CUDA_VISIBLE_DEVICES={}{}", text, visible, cut ? "..." : "");
}

}  // namespace steergrid
