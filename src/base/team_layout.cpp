#include "base/team_layout.h"

#include "base/error.h"

namespace steergrid {

TeamLayout::TeamLayout(int world_size, int degree)
    : first_worker_(world_size > 1 ? 1 : 0), workers_(world_size - first_worker_), degree_(degree) {
  if (degree < 1) failed("a tensor-parallel degree of {} makes no team", degree);
  if (teams() == 0)
    bad_input(
        "expected at least {} ranks (a coordinator and {} workers for tensor_parallel: {}), found {}: mpirun -n {} ...",
        degree + 1, degree, degree, world_size, degree + 1);
}

std::optional<Seat> TeamLayout::seat_of(int rank) const {
  const int worker = rank - first_worker_;
  if (worker < 0 || worker >= teams() * degree_) return std::nullopt;
  return Seat{worker / degree_, worker % degree_};
}

bool TeamLayout::leads(int rank) const {
  const auto seat = seat_of(rank);
  return seat && seat->member == 0;
}

}  // namespace steergrid
