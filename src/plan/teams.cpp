// See teams.h.
#include "plan/teams.h"

#include "base/error.h"
#include "base/team_layout.h"

namespace steergrid {

Teams teams_of(int ranks, int degree, const char* model) {
  if (ranks < 1) bad_input("expected 1 or more ranks, found {}", ranks);
  try {
    const TeamLayout layout(ranks, degree);
    return {layout.workers(), degree, layout.teams(), layout.workers() - layout.teams() * degree};
  } catch (const Error& e) {
    bad_input("model '{}': {}", model, e.what());
  }
}

}  // namespace steergrid
