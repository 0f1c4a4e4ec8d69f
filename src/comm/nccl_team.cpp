// NCCL without blocking calls: every call may answer "in progress" and is then looked at until it is settled, against a
// deadline. Parts are gathered in place in one registered buffer; a watcher thread looks at the last transfer.
#include "comm/nccl_team.h"

#include <cuda_runtime_api.h>
#include <nccl.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "comm/mpi_session.h"
#include "comm/polling.h"

namespace steergrid {
namespace {

void check_cuda(cudaError_t status, const char* call) {
  if (status != cudaSuccess) failed("CUDA call {} failed: {}", call, cudaGetErrorString(status));
}

/// Throws Error (run again: a peer is lost, or NCCL cannot connect) unless `result` is a success or in progress.
void check_nccl(ncclResult_t result, const char* call) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  throw Error(ExitCode::RunAgain,
              fmt::format("NCCL call {} failed: {} (NCCL_DEBUG=WARN says more)", call, ncclGetErrorString(result)));
}

/// The id that rank 0 makes and all need; everybody throws if it could not be made.
ncclUniqueId shared_id(Team& members) {
  ncclUniqueId id{};
  std::vector<std::byte> bytes;
  if (members.rank() == 0 && ncclGetUniqueId(&id) == ncclSuccess) {
    const auto raw = std::as_bytes(std::span(&id, 1));
    bytes.assign(raw.begin(), raw.end());
  }
  members.broadcast(bytes);
  if (bytes.size() != sizeof id && members.size() > 1) failed("NCCL call ncclGetUniqueId failed on the team's leader");
  if (bytes.size() == sizeof id) std::memcpy(&id, bytes.data(), sizeof id);
  return id;
}

/// Makes `device` current, or throws on every member alike, naming one that could not. Collective.
void set_device(Team& members, int device) {
  const std::int32_t mine = cudaSetDevice(device);
  const std::vector<std::byte> all = members.gather_host(std::as_bytes(std::span(&mine, 1)));
  for (std::size_t rank = 0; rank * sizeof mine < all.size(); ++rank) {
    std::int32_t status = 0;
    std::memcpy(&status, &all[rank * sizeof mine], sizeof mine);
    if (status != cudaSuccess)
      failed("CUDA call cudaSetDevice failed on member {} of a team: {}", rank,
             cudaGetErrorString(static_cast<cudaError_t>(status)));
  }
}

}  // namespace

struct NcclTeam::State {
  ncclComm_t comm = nullptr;
  int device = 0;
  double patience = 0;
  cudaStream_t queue = nullptr;
  // The buffer of all parts.
  void* parts = nullptr;
  void* registration = nullptr;
  std::size_t bytes = 0;
  std::mutex calls;  // NCCL takes one call at a time on a communicator, questions too
  // The last transfer, for the watcher.
  std::mutex mutex;
  cudaEvent_t ended = nullptr;
  bool under_way = false;
  double since = 0;
  std::jthread watcher;

  void run(const char* call, const std::function<ncclResult_t()>& begin);
  void grow(std::size_t wanted);
  void release();
  void watch(const std::stop_token& over);
};

/// Begins `call` and waits until it is settled.
void NcclTeam::State::run(const char* call, const std::function<ncclResult_t()>& begin) {
  const auto ask = [this] {
    ncclResult_t state = ncclSuccess;
    check_nccl(ncclCommGetAsyncError(comm, &state), "ncclCommGetAsyncError");
    return state;
  };
  const auto alone = [this](const auto& what) {
    const std::lock_guard lock(calls);
    return what();
  };
  const double until = monotonic_seconds() + patience;
  ncclResult_t result = alone(begin);
  check_nccl(result, call);
  for (Patience patient; result == ncclInProgress; patient.rest()) {
    if (monotonic_seconds() > until)
      throw Error(ExitCode::RunAgain,
                  fmt::format("NCCL call {} has not ended in {:.0f} s: a member of the team is gone", call, patience));
    check_nccl(result = alone(ask), call);
  }
}

/// Memory that NCCL knows: transfers need no copy of their own.
void NcclTeam::State::grow(std::size_t wanted) {
  if (wanted <= bytes) return;
  check_cuda(cudaStreamSynchronize(queue), "cudaStreamSynchronize");
  release();
  cudaMemPool_t pool = nullptr;  // what it keeps of freed memory is not NCCL's to take
  check_cuda(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
  check_cuda(cudaMemPoolTrimTo(pool, 0), "cudaMemPoolTrimTo");
  check_nccl(ncclMemAlloc(&parts, wanted), "ncclMemAlloc");
  bytes = wanted;
  run("ncclCommRegister", [&] { return ncclCommRegister(comm, parts, wanted, &registration); });
}

void NcclTeam::State::release() {
  if (registration != nullptr) {
    const std::lock_guard lock(calls);
    ncclCommDeregister(comm, registration);
  }
  if (parts != nullptr) ncclMemFree(parts);
  parts = registration = nullptr;
  bytes = 0;
}

void NcclTeam::State::watch(const std::stop_token& over) {
  cudaSetDevice(device);
  while (!over.stop_requested()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::lock_guard lock(mutex);
    if (!under_way) continue;
    ncclResult_t state = ncclSuccess;
    if (const std::unique_lock turn(calls, std::try_to_lock); turn) ncclCommGetAsyncError(comm, &state);
    const bool broken = state != ncclSuccess && state != ncclInProgress;
    if (cudaEventQuery(ended) != cudaErrorNotReady) {
      under_way = false;  // done, or failed: the next wait on the queue says why
    } else if (broken || monotonic_seconds() - since > patience) {
      spdlog::error("a transfer between the GPUs of a team {}: a member is gone; the same command goes on",
                    broken ? ncclGetErrorString(state) : fmt::format("has not ended in {:.0f} s", patience));
      leave_at_once(ExitCode::RunAgain);
    }
  }
}

NcclTeam::NcclTeam(Team& members, int device, double patience) : members_(members), state_(new State) {
  State& s = *state_;
  s.device = device;
  s.patience = patience;
  set_device(members, device);
  const ncclUniqueId id = shared_id(members);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  s.run("ncclCommInitRankConfig",
        [&] { return ncclCommInitRankConfig(&s.comm, members.size(), id, members.rank(), &config); });
  check_cuda(cudaEventCreateWithFlags(&s.ended, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  s.watcher = std::jthread([&s](const std::stop_token& over) { s.watch(over); });
}

/// Ends in order only where all members do (at the end of a run): ncclCommFinalize would wait for the others, so the
/// communicator is given up without it.
NcclTeam::~NcclTeam() {
  State& s = *state_;
  if (s.watcher.joinable()) {
    s.watcher.request_stop();
    s.watcher.join();
  }
  if (std::uncaught_exceptions() > 0) return;
  s.release();
  if (s.ended != nullptr) cudaEventDestroy(s.ended);
  if (s.comm != nullptr) ncclCommAbort(s.comm);
}

bool NcclTeam::available() { return true; }

std::string NcclTeam::version() {
  int v = 0;
  ncclGetVersion(&v);
  return fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100);
}

void NcclTeam::use_queue(void* queue) { state_->queue = static_cast<cudaStream_t>(queue); }

std::vector<Matrix> NcclTeam::gather(Matrix mine) {
  State& s = *state_;
  const auto n = static_cast<std::size_t>(size()), at = static_cast<std::size_t>(rank());
  const std::size_t bytes = mine.bytes();
  s.grow(n * bytes);
  auto* all = static_cast<std::byte*>(s.parts);
  std::vector<Matrix> parts(n, mine);
  for (std::size_t i = 0; i < n; ++i) parts[i].data = all + i * bytes;
  if (bytes == 0) return parts;
  check_cuda(cudaMemcpyAsync(parts[at].data, mine.data, bytes, cudaMemcpyDeviceToDevice, s.queue), "cudaMemcpyAsync");
  s.run("ncclAllGather", [&] { return ncclAllGather(parts[at].data, all, bytes, ncclInt8, s.comm, s.queue); });
  const std::lock_guard lock(s.mutex);
  check_cuda(cudaEventRecord(s.ended, s.queue), "cudaEventRecord");
  s.under_way = true;
  s.since = monotonic_seconds();
  return parts;
}

}  // namespace steergrid
