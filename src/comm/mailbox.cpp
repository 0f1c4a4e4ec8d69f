#include "comm/mailbox.h"

#include <algorithm>
#include <limits>
#include <list>

#include "base/clock.h"
#include "base/error.h"
#include "comm/polling.h"

namespace steergrid {
namespace {

constexpr int kTag = 1;

struct Post {
  int to = 0;
  std::vector<std::byte> bytes;
  MPI_Request request = MPI_REQUEST_NULL;
};

struct Arrival {
  Letter letter;
  MPI_Request request = MPI_REQUEST_NULL;
};

bool is_over(MPI_Request& request, const char* call) {
  int done = 0;
  check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call);
  return done != 0;
}

}  // namespace

struct Mailbox::State {
  MPI_Comm comm;
  std::list<Post> posts;        // list: the bytes of a send in progress must not move
  std::list<Post> forgotten;    // MPI may still read their bytes
  std::list<Arrival> arrivals;  // in the order they were announced

  void forget_delivered() {
    posts.remove_if([](Post& p) { return is_over(p.request, "MPI_Isend"); });
  }

  /// Starts to receive what the other side has announced.
  void receive_announced() {
    for (;;) {
      int there = 0;
      MPI_Message announced = MPI_MESSAGE_NULL;
      MPI_Status status{};
      check_mpi(MPI_Improbe(MPI_ANY_SOURCE, kTag, comm, &there, &announced, &status), "MPI_Improbe");
      if (!there) return;
      int count = 0;
      check_mpi(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
      Arrival& a = arrivals.emplace_back();
      a.letter = {status.MPI_SOURCE, std::vector<std::byte>(static_cast<std::size_t>(count))};
      check_mpi(MPI_Imrecv(a.letter.bytes.data(), count, MPI_BYTE, &announced, &a.request), "MPI_Imrecv");
    }
  }

  /// The first letter that is whole and has no earlier one of the same sender before it.
  std::optional<Letter> next_whole() {
    std::vector<int> held_up;
    for (auto a = arrivals.begin(); a != arrivals.end(); ++a) {
      const int from = a->letter.from;
      if (std::find(held_up.begin(), held_up.end(), from) != held_up.end()) continue;
      if (is_over(a->request, "MPI_Imrecv")) {
        Letter letter = std::move(a->letter);
        arrivals.erase(a);
        return letter;
      }
      held_up.push_back(from);
    }
    return std::nullopt;
  }
};

Mailbox::Mailbox(const Communicator& members) : state_(std::make_unique<State>()) {
  state_->comm = mpi_handle(members);
}

/// Posts that nobody took stay alive: MPI may still read them.
Mailbox::~Mailbox() {
  if (!state_->posts.empty() || !state_->forgotten.empty() || !state_->arrivals.empty())
    static_cast<void>(state_.release());
}

void Mailbox::post(int to, std::vector<std::byte> bytes) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    failed("a message of {} bytes for rank {} is larger than MPI can send (2 GiB)", bytes.size(), to);
  Post& p = state_->posts.emplace_back();
  p.to = to;
  p.bytes = std::move(bytes);
  check_mpi(MPI_Isend(p.bytes.data(), static_cast<int>(p.bytes.size()), MPI_BYTE, to, kTag, state_->comm, &p.request),
            "MPI_Isend");
}

std::optional<Letter> Mailbox::take() {
  state_->forget_delivered();
  state_->receive_announced();
  return state_->next_whole();
}

Letter Mailbox::wait() {
  for (Patience patience;; patience.rest())
    if (auto letter = take()) return std::move(*letter);
}

void Mailbox::forget(int rank) {
  auto& posts = state_->posts;
  for (auto p = posts.begin(); p != posts.end();) {
    const auto here = p++;
    if (here->to == rank) state_->forgotten.splice(state_->forgotten.end(), posts, here);
  }
}

bool Mailbox::deliver(double seconds) {
  const double until = monotonic_seconds() + seconds;
  for (Patience patience;; patience.rest()) {
    state_->forget_delivered();
    if (state_->posts.empty()) return true;
    if (monotonic_seconds() > until) return false;
  }
}

}  // namespace steergrid
