// Descriptions, differences and content identities; see identity.h.
#include "plan/identity.h"

#include <algorithm>
#include <map>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/fingerprint.h"

namespace steergrid {

namespace {

// Raised when the same spec would give other units or other numbers than before.
constexpr std::int64_t kRules = 1;

using Items = std::span<const AbItem>;

Items items_of(const DataSet& set) { return set.items; }

void add_items(Fingerprint& print, Items items) {
  print.add(static_cast<std::int64_t>(items.size()));
  for (const AbItem& item : items) print.add(item.question).add(item.matching_text).add(item.other_text);
}

std::string items_line(const DataSet& set) {
  Fingerprint print;
  add_items(print, items_of(set));
  return fmt::format("{} items, content {}", set.items.size(), print.hex());
}

/// "0-4, 8, 10-12"
std::string layer_list(const std::vector<int>& layers) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t j = i;
    while (j + 1 < layers.size() && layers[j + 1] == layers[j] + 1) ++j;
    parts.push_back(i == j ? fmt::format("{}", layers[i]) : fmt::format("{}-{}", layers[i], layers[j]));
    i = j + 1;
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string coefficient_list(const Coefficients& coefficients) {
  std::vector<double> values = coefficients.values;
  for (double& v : values) v = v == 0 ? 0.0 : v;  // -0
  return fmt::format("{} {}", fmt::join(values, ", "), name_of(coefficients.unit));
}

std::string shape_line(const ModelShape& s) {
  return fmt::format("{} layers, hidden {}, {} heads, {} key/value heads, head size {}, feed-forward {}, vocabulary {}",
                     s.n_layers, s.hidden, s.n_heads, s.n_kv_heads, s.head_size, s.feed_forward, s.vocabulary);
}

template <class Entries>
std::string names_line(const Entries& entries) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const auto& e : entries) names.push_back(e.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

class Description {
 public:
  template <class Value>
  void line(std::string_view key, const Value& value) {
    text_ += fmt::format("{}: {}\n", key, value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

const RunSpec& spec_of(const SweepSpec& spec, const RunPlan& run) {
  return spec.runs[static_cast<std::size_t>(run.run)];
}
const VectorSource& spec_of(const SweepSpec& spec, const VectorPlan& vectors) {
  return spec.vectors[static_cast<std::size_t>(vectors.source)];
}
const ModelSpec& spec_of(const SweepSpec& spec, const ModelPlan& model) {
  return spec.models[static_cast<std::size_t>(model.model)];
}

std::string normalization_line(const SweepSpec& spec, const ModelPlan& model) {
  if (model.normalize_over.empty()) return "none";
  std::vector<std::string_view> names;
  for (const int v : model.normalize_over)
    names.push_back(spec_of(spec, model.vectors[static_cast<std::size_t>(v)]).name);
  return fmt::format("over {}", fmt::join(names, ", "));
}

void describe_sweep(const SweepSpec& spec, Description& d) {
  d.line("rules", kRules);
  d.line("name", spec.name);
  d.line("seed", spec.seed);
  d.line("method", "caa");
  d.line("store.activations", name_of(spec.activations));
  d.line("units", fmt::format("{} pairs, {} questions", spec.units.pairs, spec.units.questions));
  d.line("models", names_line(spec.models));
  d.line("behaviors", names_line(spec.vectors));
  d.line("runs", names_line(spec.runs));
  for (const VectorSource& v : spec.vectors) d.line(fmt::format("behaviors[{}].pairs", v.name), items_line(v.pairs));
  for (const RunSpec& r : spec.runs) {
    const std::string key = fmt::format("runs[{}]", r.name);
    d.line(key + ".vectors", spec.vectors[static_cast<std::size_t>(r.vectors)].name);
    d.line(key + ".questions", items_line(r.questions));
    d.line(key + ".positions", name_of(r.positions));
  }
}

/// Whether ranks exchange other partials than the usual. A team of one exchanges none, whatever the spec says.
bool exchanges_narrowed(const ModelSpec& spec, const ModelPlan& model) {
  return model.facts.tensor_parallel > 1 && spec.partials != DType::Float32;
}

void describe_model(const SweepSpec& spec, const ModelPlan& model, Description& d) {
  const ModelSpec& m = spec_of(spec, model);
  const std::string key = fmt::format("models[{}]", m.name);
  d.line(key + ".identity", model.facts.identity);
  d.line(key + ".shape", shape_line(model.facts.shape));
  d.line(key + ".dtype", name_of(model.facts.dtype));
  d.line(key + ".residual", m.residual_in_model_dtype ? "model" : "float32");
  d.line(key + ".tensor_parallel", model.facts.tensor_parallel);
  if (exchanges_narrowed(m, model)) d.line(key + ".partials", name_of(m.partials));
  d.line(key + ".format", name_of(m.format));
  std::vector<std::string_view> sources;
  for (const VectorPlan& v : model.vectors) sources.push_back(spec_of(spec, v).name);
  d.line(key + ".vectors", fmt::format("{}", fmt::join(sources, ", ")));
  d.line(key + ".normalize", normalization_line(spec, model));
  std::vector<std::string_view> runs;
  for (const RunPlan& r : model.runs) runs.push_back(spec_of(spec, r).name);
  d.line(key + ".runs", fmt::format("{}", fmt::join(runs, ", ")));
  for (const RunPlan& r : model.runs) {
    const std::string run = fmt::format("{}.runs[{}]", key, spec_of(spec, r).name);
    d.line(run + ".layers", layer_list(r.layers));
    d.line(run + ".coefficients", coefficient_list(r.coefficients));
    d.line(run + ".letters", std::string(r.letters.begin(), r.letters.end()));
  }
}

/// What every unit of a model depends on.
std::uint64_t model_content(const SweepSpec& spec, const ModelPlan& model) {
  const ModelSpec& m = spec_of(spec, model);
  Fingerprint print;
  print.add(kRules).add(model.facts.identity).add(shape_line(model.facts.shape)).add(name_of(model.facts.dtype));
  print.add(std::int64_t{m.residual_in_model_dtype}).add(std::int64_t{model.facts.tensor_parallel});
  if (exchanges_narrowed(m, model)) print.add(name_of(m.partials));
  return print.add(name_of(m.format)).value();
}

Fingerprint& add_content(Fingerprint& print, std::uint64_t content) {
  return print.add(static_cast<std::int64_t>(content));
}

void identify_extract(Plan& plan, const SweepSpec& spec, const ModelPlan& model, std::uint64_t base) {
  for (const VectorPlan& v : model.vectors) {
    for (const int id : v.blocks) {
      Unit& unit = plan.units[static_cast<std::size_t>(id)];
      Fingerprint print;
      add_content(print, base).add("extract").add(name_of(spec.activations));
      add_items(print, items_of(spec_of(spec, v).pairs)
                           .subspan(static_cast<std::size_t>(unit.first), static_cast<std::size_t>(unit.count)));
      unit.content = print.value();
    }
  }
}

void identify_vectors(Plan& plan, const ModelPlan& model) {
  const auto add_blocks = [&](Fingerprint& print, const VectorPlan& v) {
    print.add(static_cast<std::int64_t>(v.blocks.size()));
    for (const int id : v.blocks) add_content(print, plan.units[static_cast<std::size_t>(id)].content);
  };
  for (const VectorPlan& v : model.vectors) {
    Fingerprint print;
    print.add("vectors");
    add_blocks(print, v);
    print.add(static_cast<std::int64_t>(model.normalize_over.size()));
    for (const int other : model.normalize_over) add_blocks(print, model.vectors[static_cast<std::size_t>(other)]);
    plan.units[static_cast<std::size_t>(v.unit)].content = print.value();
  }
}

void identify_evaluate(Plan& plan, const SweepSpec& spec, const ModelPlan& model, std::uint64_t base) {
  for (const RunPlan& r : model.runs) {
    const RunSpec& run = spec_of(spec, r);
    const int vectors_unit = model.vectors[static_cast<std::size_t>(r.vectors)].unit;
    const std::uint64_t vectors = plan.units[static_cast<std::size_t>(vectors_unit)].content;
    for (const int id : r.blocks) {
      Unit& unit = plan.units[static_cast<std::size_t>(id)];
      Fingerprint print;
      add_content(add_content(print, base).add("evaluate"), vectors).add(name_of(run.positions));
      print.add(layer_list(r.layers)).add_all<double>(r.coefficients.values).add(name_of(r.coefficients.unit));
      print.add(std::string_view(r.letters.data(), r.letters.size()));
      add_items(
          print,
          items_of(run.questions).subspan(static_cast<std::size_t>(unit.first), static_cast<std::size_t>(unit.count)));
      unit.content = print.value();
    }
  }
}

struct Fact {
  std::string key, value;
};

std::vector<Fact> facts_of(std::string_view text) {
  std::vector<Fact> facts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::size_t colon = std::min(line.find(": "), line.size());
    facts.push_back({std::string(line.substr(0, colon)), std::string(line.substr(std::min(colon + 2, line.size())))});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return facts;
}

}  // namespace

std::string describe(const Plan& plan, const SweepSpec& spec) {
  Description d;
  describe_sweep(spec, d);
  for (const ModelPlan& model : plan.models) describe_model(spec, model, d);
  return d.take();
}

std::uint64_t fingerprint_of(const std::string& description) { return Fingerprint().add(description).value(); }

std::vector<std::string> differences(const std::string& before, const std::string& now) {
  const std::vector<Fact> old_facts = facts_of(before), new_facts = facts_of(now);
  std::map<std::string, std::string> old_values, new_values;
  for (const Fact& f : old_facts) old_values[f.key] = f.value;
  for (const Fact& f : new_facts) new_values[f.key] = f.value;
  std::vector<std::string> found;
  for (const Fact& f : old_facts) {
    const auto other = new_values.find(f.key);
    if (other == new_values.end())
      found.push_back(fmt::format("{}: was {}, is gone now", f.key, f.value));
    else if (other->second != f.value)
      found.push_back(fmt::format("{}: was {}, is now {}", f.key, f.value, other->second));
  }
  for (const Fact& f : new_facts)
    if (!old_values.contains(f.key)) found.push_back(fmt::format("{}: is new, {}", f.key, f.value));
  return found;
}

void identify_units(Plan& plan, const SweepSpec& spec) {
  for (const ModelPlan& model : plan.models) {
    const std::uint64_t base = model_content(spec, model);
    identify_extract(plan, spec, model, base);
    identify_vectors(plan, model);
    identify_evaluate(plan, spec, model, base);
  }
}

}  // namespace steergrid
