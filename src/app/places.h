// Where the ranks of a launch sit and which GPUs they take: what they tell each other of themselves, and what follows
// from all of it. No MPI here. Called when everybody has heard from everybody.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace steergrid {

enum class BackendChoice { Auto, Cpu, Cuda };

/// One rank's place, as it travels.
struct Place {
  std::array<char, 64> host{}, gpu{}, name{};  // gpu, name: UUID and name of the GPU it takes; empty on CPUs
  std::array<char, 192> visible{};             // CUDA_VISIBLE_DEVICES; empty where it is not set
  std::int32_t works = 0;                      // 0: a coordinator
  std::int32_t worker = 0, workers = 0;        // its number among the workers of its node
  std::int32_t number = 0, gpus = 0;           // of its GPU among those it sees
  std::int64_t memory = 0;                     // of that GPU, in bytes

  std::string_view host_name() const { return host.data(); }
  std::string_view uuid() const { return gpu.data(); }
};

/// Cut where it is too long for its field.
template <std::size_t n>
void put(std::array<char, n>& to, std::string_view text) {
  to = {};
  text.copy(to.data(), n - 1);
}

/// Whether the workers compute on GPUs, by how many each sees. Throws Error (bad input) where that cannot be said or
/// done.
bool on_gpus(std::span<const Place> places, BackendChoice choice);

/// Two workers that take the same GPU (by host and UUID), if there are any.
std::optional<std::pair<std::size_t, std::size_t>> sharers(std::span<const Place> places);

/// What the worker with the least has of its GPU; those that share one have equal parts.
std::int64_t least_memory(std::span<const Place> places);

/// "8 x NVIDIA H100 80GB HBM3", kinds in the order of the ranks.
std::string gpu_names(std::span<const Place> places);

/// "n2: worker 1 of 2, GPU 1 of 2, NVIDIA H100 80GB HBM3, GPU-5a1c..., CUDA_VISIBLE_DEVICES=0,1"
std::string seat_text(const Place& place);

}  // namespace steergrid
