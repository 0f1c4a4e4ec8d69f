#include "app/devices.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "app/start_together.h"
#include "base/error.h"

namespace steergrid {
namespace {

/// What a rank tells the others about itself.
struct Place {
  std::array<char, 64> host, gpu, name;  // gpu, name: UUID and name of the one it takes
  std::int32_t works, gpus;
  std::int64_t memory;  // of that GPU, in bytes
  std::string_view host_name() const { return host.data(); }
  std::string_view uuid() const { return gpu.data(); }
};

template <std::size_t n>
void put(std::array<char, n>& to, const std::string& text) {
  to = {};
  std::memcpy(to.data(), text.data(), std::min(text.size(), n - 1));
}

std::vector<Place> all_places(Team& everybody, const Place& mine) {
  const std::vector<std::byte> bytes = everybody.gather_host(std::as_bytes(std::span(&mine, 1)));
  std::vector<Place> places(bytes.size() / sizeof(Place));
  std::memcpy(places.data(), bytes.data(), bytes.size());
  return places;
}

/// Whether the workers compute on GPUs; throws Error where that cannot be said or done.
bool on_gpus(const std::vector<Place>& places, BackendChoice choice) {
  const auto without = std::ranges::find_if(places, [](const Place& s) { return s.works && s.gpus == 0; });
  const auto with = std::ranges::find_if(places, [](const Place& s) { return s.works && s.gpus > 0; });
  if (choice == BackendChoice::Cpu || (choice == BackendChoice::Auto && with == places.end())) return false;
  if (without == places.end()) return true;
  if (choice == BackendChoice::Cuda && with == places.end()) make_cuda_backend(DType::Float32, 0);  // says why
  bad_input("rank {} on {} sees no GPU: expected one for every worker, or --backend cpu", without - places.begin(),
            without->host_name());
}

/// Two workers that take the same GPU, if there are any.
std::optional<std::pair<std::size_t, std::size_t>> sharers(const std::vector<Place>& places) {
  for (std::size_t a = 0; a < places.size(); ++a)
    for (std::size_t b = a + 1; b < places.size(); ++b)
      if (places[a].works && places[b].works && places[a].host_name() == places[b].host_name() &&
          places[a].uuid() == places[b].uuid())
        return std::pair(a, b);
  return std::nullopt;
}

/// "8 x NVIDIA H100 80GB HBM3", kinds in the order of the ranks.
std::string gpu_names(const std::vector<Place>& places) {
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

/// What the worker with the least has of its GPU; those that share one have equal parts.
std::int64_t least_memory(const std::vector<Place>& places) {
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

}  // namespace

Device choose_device(const MpiSession& session, Team& everybody, const std::optional<NodeSeat>& seat,
                     BackendChoice choice, bool share) {
  Place mine{};
  put(mine.host, session.host());
  mine.works = seat.has_value();
  std::vector<Gpu> gpus;
  by_all(everybody, [&] {
    if (mine.works && choice != BackendChoice::Cpu) gpus = visible_gpus();
  });
  mine.gpus = static_cast<std::int32_t>(gpus.size());
  std::vector<Place> places = all_places(everybody, mine);
  Device device;
  by_rank_0(everybody, [&]() -> std::vector<std::byte> {
    on_gpus(places, choice);
    return {};
  });
  device.cuda = on_gpus(places, choice);
  if (!device.cuda) return device;
  if (seat) {
    device.number = seat->worker % static_cast<int>(gpus.size());
    const Gpu& gpu = gpus[static_cast<std::size_t>(device.number)];
    put(mine.gpu, gpu.uuid);
    put(mine.name, gpu.name);
    mine.memory = gpu.memory;
  }
  places = all_places(everybody, mine);
  by_rank_0(everybody, [&]() -> std::vector<std::byte> {
    if (const auto pair = sharers(places); pair && !share) {
      const Place& place = places[pair->first];
      bad_input("ranks {} and {} on {} would share {}: expected one worker a GPU ({} there), or --share-gpus",
                pair->first, pair->second, place.host_name(), place.uuid(), place.gpus);
    }
    return {};
  });
  device.shared = sharers(places).has_value();
  device.name = gpu_names(places);
  device.memory = least_memory(places);
  device.workers = static_cast<int>(std::ranges::count_if(places, [](const Place& s) { return s.works != 0; }));
  return device;
}

Exchanges::Exchanges(const Topology& topology, const std::vector<int>& degrees, const Device& device)
    : cuda_(device.cuda) {
  if (!device.cuda || device.shared) return;
  for (const int degree : degrees)
    if (degree > 1 && topology.seat(degree))
      nccl_[degree] = std::make_unique<NcclTeam>(topology.team(degree), device.number);
}

Team& Exchanges::between(Team& team) {
  chosen_ = nullptr;
  staged_.reset();
  if (!cuda_ || team.size() == 1) return team;
  const auto found = nccl_.find(team.size());
  if (found == nccl_.end()) return staged_.emplace(team);
  return *(chosen_ = found->second.get());
}

void Exchanges::use(Backend& backend) {
  if (chosen_ != nullptr) chosen_->use_queue(backend.queue());
  if (staged_) staged_->use(backend);
}

}  // namespace steergrid
