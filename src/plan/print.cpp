// Tables of a plan; see print.h.
#include "plan/print.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/fingerprint.h"
#include "base/printable.h"
#include "plan/table.h"
#include "plan/teams.h"

namespace steergrid {

namespace {

/// `value` with three significant digits and the largest of `units` (each `base` times the one before) it reaches.
template <std::size_t N>
std::string scaled(double value, double base, const std::array<std::string_view, N>& units) {
  std::size_t u = 0;
  while (u + 1 < N && value >= base * 0.9995) {
    value /= base;
    ++u;
  }
  const int decimals = u == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, decimals, units[u]);
}

std::string ratio(double naive, double ours) { return ours > 0 ? fmt::format("{:.1f}x", naive / ours) : "-"; }

const ModelSpec& spec_of(const SweepSpec& spec, const ModelPlan& m) {
  return spec.models[static_cast<std::size_t>(m.model)];
}

std::string models_table(const SweepSpec& spec, const Plan& plan) {
  Table table({"model", "parameters", "layers", "hidden", "dtype", "residual", "TP", "format"});
  for (const ModelPlan& m : plan.models) {
    const ModelShape& s = m.facts.shape;
    const ModelSpec& model = spec_of(spec, m);
    table.add({model.name, human_count(s.parameters()), std::to_string(s.n_layers), std::to_string(s.hidden),
               std::string(name_of(m.facts.dtype)),
               std::string(model.residual_in_model_dtype ? name_of(m.facts.dtype) : "float32"),
               std::to_string(m.facts.tensor_parallel), std::string(name_of(model.format))});
  }
  return table.text();
}

/// What is done for each model: its sources, then its runs.
std::string work_table(const SweepSpec& spec, const ModelPlan& m, const ModelCost& cost) {
  Table table(
      {"", "items", "layers", "coefs", "cells", "units", "tokens", "fork rows", "FLOPs naive", "ours", "ratio"});
  const auto add = [&](std::string name, int items, std::vector<std::string> grid, std::size_t units,
                       const WorkCost& w) {
    std::vector<std::string> row{std::move(name), std::to_string(items)};
    row.insert(row.end(), grid.begin(), grid.end());
    row.insert(row.end(), {std::to_string(units), human_count(w.tokens), human_count(w.fork_rows),
                           human_flops(w.naive_flops), human_flops(w.flops), ratio(w.naive_flops, w.flops)});
    table.add(std::move(row));
  };
  for (std::size_t v = 0; v < m.vectors.size(); ++v) {
    const VectorPlan& p = m.vectors[v];
    const std::string& name = spec.vectors[static_cast<std::size_t>(p.source)].name;
    add("extract " + name, p.items, {std::to_string(m.facts.shape.n_layers), "", ""}, p.blocks.size() + 1,
        cost.vectors[v]);
  }
  for (std::size_t r = 0; r < m.runs.size(); ++r) {
    const RunPlan& p = m.runs[r];
    const std::size_t layers = p.layers.size(), coefficients = p.coefficients.values.size();
    add("evaluate " + spec.runs[static_cast<std::size_t>(p.run)].name, p.items,
        {std::to_string(layers), std::to_string(coefficients),
         human_count(static_cast<std::int64_t>(layers * coefficients))},
        p.blocks.size(), cost.runs[r]);
  }
  const WorkCost& t = cost.total;
  table.add({"all", "", "", "", human_count(cost.cells), human_count(cost.units), human_count(t.tokens),
             human_count(t.fork_rows), human_flops(t.naive_flops), human_flops(t.flops),
             ratio(t.naive_flops, t.flops)});
  return table.text();
}

std::string memory_line(const MemoryModel& m) {
  return fmt::format(
      "  memory a rank on CPUs: {} (weights {}, residual {}, keys and values {}, buffers {}, reading {}, process {})\n",
      human_bytes(m.total()), human_bytes(m.weights), human_bytes(m.residual), human_bytes(m.keys_values),
      human_bytes(m.chunk_buffers), human_bytes(m.reading), human_bytes(m.base));
}

std::string teams_table(const SweepSpec& spec, const Plan& plan, int ranks) {
  Table table({"model", "teams", "ranks a team", "workers", "idle"});
  const std::vector<Teams> teams = teams_of_models(spec, plan, ranks);
  for (std::size_t i = 0; i < teams.size(); ++i)
    table.add({spec_of(spec, plan.models[i]).name, std::to_string(teams[i].teams), std::to_string(teams[i].degree),
               std::to_string(teams[i].workers), std::to_string(teams[i].idle)});
  const char* roles = ranks == 1 ? "the rank coordinates and computes" : "rank 0 coordinates, the others compute";
  return fmt::format("teams on {} rank{}: {}\n{}", ranks, ranks == 1 ? "" : "s", roles, table.text());
}

}  // namespace

std::string human_flops(double flops) {
  constexpr std::array<std::string_view, 7> kUnits = {" FLOP",  " kFLOP", " MFLOP", " GFLOP",
                                                      " TFLOP", " PFLOP", " EFLOP"};
  return scaled(flops, 1000, kUnits);
}

std::string human_bytes(std::int64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
  return scaled(static_cast<double>(bytes), 1024, kUnits);
}

std::string human_count(std::int64_t count) {
  if (std::abs(count) < 100'000) return std::to_string(count);
  constexpr std::array<std::string_view, 5> kUnits = {"", " k", " M", " G", " T"};
  return scaled(static_cast<double>(count), 1000, kUnits);
}

std::string print_plan(const SweepSpec& spec, const Plan& plan, const std::vector<PricedModel>& models,
                       std::optional<int> ranks) {
  std::string out =
      fmt::format("sweep {}   plan {}\noutput {}\n\n", spec.name, hex_of(plan.fingerprint), printable(spec.output));
  out += models_table(spec, plan);
  WorkCost total;
  std::int64_t cells = 0;
  for (std::size_t m = 0; m < plan.models.size(); ++m) {
    out += fmt::format("\n{}\n", spec_of(spec, plan.models[m]).name);
    out += work_table(spec, plan.models[m], models[m].cost);
    out += memory_line(models[m].memory);
    out += models[m].fits;
    total += models[m].cost.total;
    cells += models[m].cost.cells;
  }
  out += fmt::format("\nin all: {} cells, {} units, {} tokens and {} fork rows; naive {}, ours {} ({})\n",
                     human_count(cells), plan.units.size(), human_count(total.tokens), human_count(total.fork_rows),
                     human_flops(total.naive_flops), human_flops(total.flops), ratio(total.naive_flops, total.flops));
  if (ranks) out += "\n" + teams_table(spec, plan, *ranks);
  return out;
}

}  // namespace steergrid
