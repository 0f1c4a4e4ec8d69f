// A sweep made by hand, as read_spec would give it, and the facts about its models.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "plan/plan.h"
#include "spec/layers.h"

namespace steergrid {

inline DataSet made_up_items(const std::string& what, int n) {
  DataSet set;
  set.path = "/data/" + what + ".json";
  for (int i = 0; i < n; ++i) set.items.push_back({fmt::format("{} {}?", what, i), "(A)", "(B)", 'A', 'B'});
  return set;
}

inline LayerSelection made_up_layers(std::string_view text, int line = 20) {
  LayerSelection selection = layers_from_text(text).value();
  selection.mark = {"sweep.yaml", line, 9, "layers"};
  return selection;
}

inline ModelSpec made_up_model(const std::string& name, int line) {
  ModelSpec model;
  model.name = name;
  model.path = "/checkpoints/" + name;
  model.mark = {"sweep.yaml", line, 5, "models"};
  model.tensor_parallel_mark = {"sweep.yaml", line + 1, 22, "models.tensor_parallel"};
  return model;
}

inline RunSpec made_up_run(const std::string& name, int vectors, int questions) {
  RunSpec run;
  run.name = name;
  run.vectors = vectors;
  run.questions = made_up_items(name + " question", questions);
  run.mark = {"sweep.yaml", 30, 5, "runs"};
  return run;
}

/// Two models; behaviors `refusal` (10 pairs, 5 questions), `myopia` (7 pairs, no questions), `hope` (3 pairs, 4
/// questions); units of 4 pairs and 2 questions; normalized over all; layers all; coefficients -1, 0, 1.
inline SweepSpec made_up_sweep() {
  SweepSpec spec;
  spec.file = "/specs/sweep.yaml";
  spec.name = "made-up";
  spec.output = "/results/made-up.h5";
  spec.models = {made_up_model("small", 4), made_up_model("large", 8)};
  spec.vectors = {{"refusal", made_up_items("refusal", 10), {}},
                  {"myopia", made_up_items("myopia", 7), {}},
                  {"hope", made_up_items("hope", 3), {}}};
  spec.runs = {made_up_run("refusal", 0, 5), made_up_run("hope", 2, 4)};
  spec.layers = made_up_layers("all");
  spec.coefficients.values = {-1, 0, 1};
  spec.method.over = {0, 1, 2};
  spec.units = {4, 2};
  return spec;
}

inline ModelFacts made_up_facts(int layers, const std::string& identity) {
  ModelFacts facts;
  facts.shape = {layers, 64, 8, 4, 8, 96, 128, false};
  facts.identity = identity;
  return facts;
}

inline std::vector<ModelFacts> made_up_facts() { return {made_up_facts(4, "id-small"), made_up_facts(10, "id-large")}; }

}  // namespace steergrid
