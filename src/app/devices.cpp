#include "app/devices.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "app/start_together.h"
#include "base/error.h"

namespace steergrid {
namespace {

std::vector<Place> all_places(Team& everybody, const Place& mine) {
  const std::vector<std::byte> bytes = everybody.gather_host(std::as_bytes(std::span(&mine, 1)));
  std::vector<Place> places(bytes.size() / sizeof(Place));
  std::memcpy(places.data(), bytes.data(), bytes.size());
  return places;
}

Place place_of(const MpiSession& session, const std::optional<NodeSeat>& seat) {
  Place place;
  put(place.host, session.host());
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) put(place.visible, visible);
  if (seat) place.works = 1, place.worker = seat->worker, place.workers = seat->workers;
  return place;
}

}  // namespace

Device choose_device(const MpiSession& session, Team& everybody, const std::optional<NodeSeat>& seat,
                     BackendChoice choice, bool share) {
  Place mine = place_of(session, seat);
  std::vector<Gpu> gpus;
  by_all(everybody, [&] {
    if (seat && choice != BackendChoice::Cpu) gpus = visible_gpus();
  });
  mine.gpus = static_cast<std::int32_t>(gpus.size());
  Device device;
  device.places = all_places(everybody, mine);
  by_rank_0(everybody, [&]() -> std::vector<std::byte> {
    on_gpus(device.places, choice);
    return {};
  });
  device.cuda = on_gpus(device.places, choice);
  if (!device.cuda) return device;
  if (seat) {
    device.number = mine.number = seat->worker % mine.gpus;
    const Gpu& gpu = gpus[static_cast<std::size_t>(device.number)];
    put(mine.gpu, gpu.uuid);
    put(mine.name, gpu.name);
    mine.memory = gpu.memory;
  }
  const std::vector<Place>& places = device.places = all_places(everybody, mine);
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
