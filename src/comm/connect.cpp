#include "comm/connect.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace steergrid {
namespace {

/// Whether something happens on a descriptor in time.
bool ready(int id, short events, int patience) {
  pollfd one{id, events, 0};
  for (;;) {
    const int n = ::poll(&one, 1, patience);
    if (n >= 0 || errno != EINTR) return n > 0;
  }
}

Socket try_address(const addrinfo& address, int patience) {
  Socket line(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!line) return {};
  if (::connect(line.id(), address.ai_addr, address.ai_addrlen) != 0 && errno != EINPROGRESS) return {};
  int error = 0;
  socklen_t size = sizeof error;
  const bool connected = ready(line.id(), POLLOUT, patience) &&
                         ::getsockopt(line.id(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
  return connected ? std::move(line) : Socket();
}

void set(const Socket& line, int level, int option, int value) {
  ::setsockopt(line.id(), level, option, &value, sizeof value);
}

}  // namespace

Socket::~Socket() {
  if (id_ >= 0) ::close(id_);
}

Socket listen_for(Callers callers, int waiting, int& port) {
  Socket listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(callers == Callers::OfThisHost ? INADDR_LOOPBACK : INADDR_ANY);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (!listening || ::bind(listening.id(), raw, size) != 0 || ::listen(listening.id(), waiting) != 0 ||
      ::getsockname(listening.id(), raw, &size) != 0)
    return {};
  port = ntohs(address.sin_port);
  return listening;
}

Socket connect_to(const std::string& host, int port, int patience) {
  addrinfo wanted{};
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, ::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next)
    if (Socket line = try_address(*one, patience)) return line;
  return {};
}

Socket accept_one(const Socket& listening, int patience) {
  if (!ready(listening.id(), POLLIN, patience)) return {};
  return Socket(::accept4(listening.id(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

bool receive_whole(const Socket& from, void* data, std::size_t size, int patience) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    if (!ready(from.id(), POLLIN, patience)) return false;
    const ssize_t got = ::recv(from.id(), at, size, 0);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

void keep_alive(const Socket& line) {
  set(line, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(line, IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(line, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(line, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace steergrid
