// Who sits in which team: a pure function of the number of ranks and the degree. Rank 0 coordinates and sits in no
// team, unless it is alone. Consecutive workers form a team; surplus workers idle under that degree.
#pragma once

#include <optional>

namespace steergrid {

struct Seat {
  int team = 0;
  int member = 0;  // 0 leads
};

class TeamLayout {
 public:
  /// Throws Error (bad input, saying how many ranks are needed) if not a single team of `degree` fits.
  TeamLayout(int world_size, int degree);

  int degree() const { return degree_; }
  int workers() const { return workers_; }
  int teams() const { return workers_ / degree_; }
  std::optional<Seat> seat_of(int rank) const;
  int leader_of(int team) const { return first_worker_ + team * degree_; }
  bool leads(int rank) const;

 private:
  int first_worker_, workers_, degree_;
};

}  // namespace steergrid
