// Plain TCP for the lifelines: a socket that closes itself, listening, and connecting within a time limit.
#pragma once

#include <string>
#include <utility>

namespace steergrid {

/// A file descriptor that is closed at the end of its life; -1: none.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int id) : id_(id) {}
  Socket(Socket&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Socket();
  int id() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  int id_ = -1;
};

/// Who may connect: a launch on one host opens no port to others.
enum class Callers { OfThisHost, OfAnyHost };

/// Listens on a port of the system's choice, for up to `waiting` connections at once. None: it cannot.
Socket listen_for(Callers callers, int waiting, int& port);
/// None: not within `patience` milliseconds.
Socket connect_to(const std::string& host, int port, int patience);
/// None: nobody came within `patience` milliseconds.
Socket accept_one(const Socket& listening, int patience);
/// Exactly `size` bytes; false: not within `patience` milliseconds.
bool receive_whole(const Socket& from, void* data, std::size_t size, int patience);
/// Lets the kernel ask now and then whether the other node still lives; a lost one shows as an error within a minute.
void keep_alive(const Socket& line);

}  // namespace steergrid
