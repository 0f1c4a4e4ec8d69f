#include "comm/lifelines.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "comm/connect.h"

namespace steergrid {
namespace {

constexpr int kPatience = 5000;      // ms for a connection, or a greeting, at start-up
constexpr double kLauncherTime = 3;  // seconds for the launcher to end us all, before a rank leaves by itself
constexpr char kGoodbye = 'B';

/// What a rank says first on its line.
struct Greeting {
  std::uint64_t token = 0;
  std::int64_t rank = -1;
};

/// Where rank 0 listens.
struct Address {
  std::array<char, 256> host{};
  std::uint64_t token = 0;  // so that no stranger passes for a rank
  std::int64_t port = 0;    // 0: it cannot listen
};

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

Address address_of(const std::string& host, int port) {
  Address address;
  std::copy_n(host.data(), std::min(host.size(), address.host.size() - 1), address.host.data());
  std::random_device random;
  address.token = (std::uint64_t{random()} << 32) | random();
  address.port = port;
  return address;
}

/// A worker's line to rank 0, greeted; none: it cannot be reached.
Socket line_to(const Address& address, const MpiSession& session) {
  if (address.port == 0) return {};
  const std::string host = session.host() == address.host.data() ? "127.0.0.1" : address.host.data();
  Socket line = connect_to(host, static_cast<int>(address.port), kPatience);
  const Greeting greeting{address.token, session.rank()};
  if (line && ::send(line.id(), &greeting, sizeof greeting, MSG_NOSIGNAL) != sizeof greeting) return {};
  return line;
}

void warn_of(int unwatched, int others) {
  if (unwatched == 0) return;
  spdlog::warn(
      "{} of {} other ranks cannot be reached over TCP: their deaths are not noticed here, nor rank 0's there; a death "
      "then holds the run until Slurm or mpirun ends it",
      unwatched, others);
}

}  // namespace

struct Lifelines::Watch {
  enum class Mode { Start, Tolerate, Insist };
  enum class Sign { Alive, Goodbye, Gone };
  struct Loss {
    int rank;
    Sign sign;
  };

  ~Watch() {
    {
      const std::lock_guard lock(mutex);
      over = true;
      for (const auto& [rank, line] : lines) static_cast<void>(::send(line.id(), &kGoodbye, 1, MSG_NOSIGNAL));
    }
    ring();
  }

  void ring() const {
    const std::uint64_t one = 1;
    if (::write(bell.id(), &one, sizeof one) < 0) spdlog::debug("lifelines: the bell does not ring");
  }

  void silence() const {
    std::uint64_t rung = 0;
    if (::read(bell.id(), &rung, sizeof rung) < 0) spdlog::debug("lifelines: the bell did not ring");
  }

  static Sign sign_on(int line) {
    char byte = 0;
    const ssize_t got = ::recv(line, &byte, 1, MSG_DONTWAIT);
    if (got == 1) return byte == kGoodbye ? Sign::Goodbye : Sign::Alive;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? Sign::Alive : Sign::Gone;
  }

  /// What a sign means; with the lock held.
  void note(int rank, Sign sign) {
    if (sign == Sign::Alive) return;
    lines.erase(rank);
    if (mode == Mode::Tolerate) return gone.push_back({rank, sign});
    if (mode == Mode::Insist && sign == Sign::Goodbye) return;
    leave_soon(rank);
  }

  void leave_soon(int why) {
    if (!leave_at) leave_at = monotonic_seconds() + kLauncherTime;
    reason = why;
  }

  /// Signs that nobody has looked at count as if they came now: deaths do, goodbyes are in order.
  void insist() {
    const std::lock_guard lock(mutex);
    mode = Mode::Insist;
    for (const Loss& loss : std::exchange(gone, {})) note(loss.rank, loss.sign);
    if (leave_at) ring();  // the thread may be asleep until a line says something
  }

  /// The thread: sleeps until a line says something, and leaves when it is time.
  void run() {
    for (;;) {
      std::vector<pollfd> polled;
      std::vector<int> whose;
      int timeout = -1;
      {
        const std::lock_guard lock(mutex);
        if (over) return;
        if (leave_at && monotonic_seconds() >= *leave_at) leave();
        if (leave_at) timeout = 50;
        polled.push_back({bell.id(), POLLIN, 0});
        for (const auto& [rank, line] : lines) {
          polled.push_back({line.id(), POLLIN, 0});
          whose.push_back(rank);
        }
      }
      ::poll(polled.data(), polled.size(), timeout);
      if (polled.front().revents != 0) silence();
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < whose.size(); ++i)
        if (polled[i + 1].revents != 0) note(whose[i], sign_on(polled[i + 1].fd));
    }
  }

  [[noreturn]] void leave() const {
    spdlog::error("rank {} is gone; this rank leaves (the same command goes on)", reason);
    leave_at_once(ExitCode::RunAgain);
  }

  Socket bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::mutex mutex;             // over all that follows
  std::map<int, Socket> lines;  // by the rank at the other end
  std::vector<Loss> gone;       // while deaths are tolerated
  Mode mode = Mode::Start;
  std::optional<double> leave_at;
  int reason = 0;
  bool over = false;
  std::jthread thread;  // last: joined first
};

Lifelines::Lifelines(const MpiSession& session, Team& everybody) : watch_(std::make_unique<Watch>()) {
  Watch& w = *watch_;
  if (session.size() == 1) return;
  const bool leader = session.rank() == 0;
  int port = 0;
  const Callers callers = session.node_size() == session.size() ? Callers::OfThisHost : Callers::OfAnyHost;
  const Socket listening = leader ? listen_for(callers, session.size(), port) : Socket();
  std::vector<std::byte> told;
  if (leader) {
    const Address address = address_of(session.host(), port);
    told.assign(bytes_of(address).begin(), bytes_of(address).end());
  }
  everybody.broadcast(told);
  Address address;
  std::memcpy(&address, told.data(), sizeof address);
  if (!leader)
    if (Socket line = line_to(address, session)) w.lines.emplace(0, std::move(line));
  const std::byte mine{!w.lines.empty()};
  const auto connected = everybody.gather_host(std::span(&mine, 1));
  for (auto left = leader ? std::ranges::count(connected, std::byte{1}) : 0; left > 0;) {
    Socket line = accept_one(listening, kPatience);
    if (!line) break;
    Greeting greeting;
    if (!receive_whole(line, &greeting, sizeof greeting, kPatience) || greeting.token != address.token) continue;
    w.lines.emplace(static_cast<int>(greeting.rank), std::move(line));
    --left;
  }
  for (const auto& [rank, line] : w.lines) keep_alive(line);
  if (leader) warn_of(session.size() - 1 - static_cast<int>(w.lines.size()), session.size() - 1);
  w.thread = std::jthread([&w] { w.run(); });
}

Lifelines::~Lifelines() = default;

void Lifelines::tolerate() {
  const std::lock_guard lock(watch_->mutex);
  watch_->mode = Watch::Mode::Tolerate;
}

void Lifelines::insist() { watch_->insist(); }

std::vector<int> Lifelines::lost() {
  const std::lock_guard lock(watch_->mutex);
  std::vector<int> ranks;
  for (const Watch::Loss& loss : std::exchange(watch_->gone, {})) ranks.push_back(loss.rank);
  return ranks;
}

void Lifelines::cut(int rank) {
  const std::lock_guard lock(watch_->mutex);
  const auto line = watch_->lines.find(rank);
  if (line != watch_->lines.end()) ::shutdown(line->second.id(), SHUT_RDWR);
}

}  // namespace steergrid
