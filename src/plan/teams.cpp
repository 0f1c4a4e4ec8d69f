// See teams.h.
#include "plan/teams.h"

#include "base/error.h"
#include "base/team_layout.h"
#include "spec/problems.h"

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

std::vector<Teams> teams_of_models(const SweepSpec& spec, const Plan& plan, int ranks) {
  std::vector<Teams> teams;
  SpecProblems problems;
  for (const ModelPlan& m : plan.models) {
    const ModelSpec& model = spec.models[static_cast<std::size_t>(m.model)];
    try {
      teams.push_back(teams_of(ranks, m.facts.tensor_parallel, model.name.c_str()));
    } catch (const Error& e) {
      problems.add_lines(model.tensor_parallel_mark, e.what());
    }
  }
  problems.throw_if_any();
  return teams;
}

}  // namespace steergrid
