// What coordinator and leaders say to each other, as bytes: 'S' 'G', a version, a kind, then the fields in order, all
// little-endian and of fixed width, strings and arrays with their length. Decoding checks every length against the
// bytes that are there and wants none left over; what does not fit is an Error, never a crash.
//
//     leader -> rank 0   REQUEST {stage, wants}   DONE {unit, crc, flags, times, bytes}
//                        FAILED {unit, sentence}  BROKEN {code, sentence}
//     rank 0 -> leader   WORK {orders, parcels}
//     rank 0 -> worker   STAGE {model}            STOP {code, sentence}
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "farm/ending.h"
#include "farm/unit_queue.h"

namespace steergrid::message {

struct Request {
  int stage = 0;  // a request of an earlier stage is void
  int wants = 1;
};
/// A source's steering vectors, by its Vectors unit; receivers keep it for the stage.
struct Parcel {
  int key = -1;
  std::vector<std::byte> bytes;
};
struct Work {
  std::vector<Order> orders;
  std::vector<Parcel> parcels;  // those the orders need and this team has not got yet
};
struct Done {
  int unit = -1;
  std::uint64_t crc = 0;
  std::uint32_t flags = 0;
  std::int64_t started = 0, finished = 0;
  std::vector<std::byte> bytes;
};
struct Failed {
  int unit = -1;
  std::string sentence;
};
/// The run cannot go on: a model does not open, a leader cannot write.
struct Broken {
  Ending why;
};
struct Stage {
  int model = 0;
};
struct Stop {
  Ending why;
};

using Any = std::variant<Request, Work, Done, Failed, Broken, Stage, Stop>;

std::vector<std::byte> encode(const Any& message);

/// Throws Error if the bytes are no message of this version.
Any decode(std::span<const std::byte> bytes);

}  // namespace steergrid::message
