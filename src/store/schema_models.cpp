// The groups of the models, in the order in which docs/result-file.md lists their datasets.
#include <algorithm>

#include "store/group_table.h"

namespace steergrid::store {
namespace {

using Type = ElementType;

void add_texts(GroupTable& group, const char* axis, const DataSet& data, int items, bool pairs) {
  std::vector<std::string> question, matching, other;
  for (int i = 0; i < items; ++i) {
    const AbItem& item = data.items.at(static_cast<std::size_t>(i));
    question.push_back(item.question);
    matching.push_back(item.matching_text);
    other.push_back(item.other_text);
  }
  group.add(pairs ? "question" : "text", Type::Text, {axis}, Fill::Zero, "the question as in the data set",
            std::move(question));
  if (!pairs) return;
  group.add("matching_text", Type::Text, {axis}, Fill::Zero, "the answer that matches the behavior",
            std::move(matching));
  group.add("other_text", Type::Text, {axis}, Fill::Zero, "the other answer", std::move(other));
}

std::string normalised_over(const SweepSpec& spec, const ModelPlan& model) {
  std::string names;
  for (const int v : model.normalize_over)
    names += (names.empty() ? "" : ", ") + spec.vectors.at(model.vectors.at(v).source).name;
  return names;
}

void add_vectors(Schema& schema, const SweepSpec& spec, const ModelPlan& model, int target) {
  const VectorPlan& plan = model.vectors.at(target);
  const VectorSource& source = spec.vectors.at(plan.source);
  GroupTable group(schema, vectors_group(spec, model, target));
  group.attribute("index", std::int64_t{target});
  group.attribute("behavior", source.name);
  group.attribute("method", "caa");
  group.attribute("normalize", model.normalize_over.empty() ? "none" : "behaviors");
  group.attribute("normalize_over", normalised_over(spec, model));

  group.axis("layer", model.facts.shape.n_layers, "layer, counted from 0: after block L");
  group.axis("block", plan.blocks.size(), "block of pairs, by index");
  group.axis("hidden", model.facts.shape.hidden, "component of the residual stream, by index");
  group.axis("pair", plan.items, "contrast pair, by index in the data set");
  group.axis("one", 1, "a single value");
  group.add("block_sums", Type::F64, {"block", "layer", "hidden"}, Fill::NotANumber,
            "sums of differences (matching - other) over a block of pairs");
  group.add("block_unit", Type::I32, {"block"}, Fill::Zero, "index into /sched/units of the unit that fills the block",
            std::vector<std::int32_t>(plan.blocks.begin(), plan.blocks.end()));
  group.add("mean", Type::F32, {"layer", "hidden"}, Fill::NotANumber, "the raw steering vector v");
  group.add("scale", Type::F64, {"layer"}, Fill::NotANumber, "v' = mean * scale is what was added");
  group.add("mean_norm", Type::F64, {"layer"}, Fill::NotANumber, "||v||");
  group.add("residual_norm", Type::F64, {"layer"}, Fill::NotANumber,
            "mean ||h|| at the tapped position, over pairs and members");
  group.add("block_norm_sums", Type::F64, {"block", "layer"}, Fill::NotANumber,
            "sums of ||h|| over the block's pairs and members");
  group.add("vectors_unit", Type::I32, {"one"}, Fill::Zero,
            "index into /sched/units of the unit that fills mean, scale and norms",
            std::vector<std::int32_t>{plan.unit});
  add_texts(group, "pair", source.pairs, plan.items, true);
}

/// Apart from the vectors: these arrays are large, and netCDF has no 16-bit floats.
void add_activations(Schema& schema, const SweepSpec& spec, const ModelPlan& model, int target) {
  GroupTable group(schema, activations_group(spec, model, target));
  group.attribute("behavior", spec.vectors.at(model.vectors.at(target).source).name);
  group.axis("pair", model.vectors.at(target).items, "contrast pair, by index in the data set");
  group.axis("member", 2, "member of a pair", std::vector<std::string>{"matching", "other"});
  group.axis("layer", model.facts.shape.n_layers, "layer, counted from 0: after block L");
  group.axis("hidden", model.facts.shape.hidden, "component of the residual stream, by index");
  group.add("activations", spec.activations == ActivationStore::Float16 ? Type::F16 : Type::F32,
            {"pair", "member", "layer", "hidden"}, Fill::Unwritten, "the residual at the tapped position");
}

/// For each question: the unit that fills its row.
std::vector<std::int32_t> units_of_rows(const Plan& plan, const RunPlan& run) {
  std::vector<std::int32_t> units(run.items, -1);
  for (const int id : run.blocks) {
    const Unit& unit = plan.units.at(id);
    for (int i = unit.first; i < unit.first + unit.count; ++i) units.at(i) = id;
  }
  return units;
}

std::vector<std::int32_t> letters_of(const RunPlan& run, const DataSet& data, char AbItem::*which) {
  std::vector<std::int32_t> index;
  for (int i = 0; i < run.items; ++i) {
    const auto found = std::find(run.letters.begin(), run.letters.end(), data.items.at(i).*which);
    index.push_back(found == run.letters.end() ? -1 : static_cast<std::int32_t>(found - run.letters.begin()));
  }
  return index;
}

void add_run_axes(GroupTable& group, const RunPlan& plan) {
  std::vector<std::string> letters;
  for (const char c : plan.letters) letters.emplace_back(1, c);
  group.axis("question", plan.items, "question, by index in the data set");
  group.axis("layer", plan.layers.size(), "layer, counted from 0: after block L",
             std::vector<std::int32_t>(plan.layers.begin(), plan.layers.end()));
  group.axis("coefficient", plan.coefficients.values.size(), "what the steering vector was multiplied with",
             plan.coefficients.values);
  group.axis("letter", letters.size(), "answer letter", letters);
}

void add_run(Schema& schema, const Plan& plan, const SweepSpec& spec, const ModelPlan& model, int target) {
  const RunPlan& run = model.runs.at(target);
  const RunSpec& asked = spec.runs.at(run.run);
  GroupTable group(schema, run_group(spec, model, target));
  group.attribute("index", std::int64_t{target});
  group.attribute("behavior", asked.name);
  group.attribute("vectors", spec.vectors.at(model.vectors.at(run.vectors).source).name);
  group.attribute("positions", std::string(steergrid::name_of(asked.positions)));
  group.attribute("coefficient_unit", std::string(steergrid::name_of(run.coefficients.unit)));
  group.attribute("logprob", "natural log of the probability over the whole vocabulary");

  add_run_axes(group, run);
  const std::vector<std::string> cell{"question", "layer", "coefficient"};
  group.add("letter_logprob", Type::F64, {"question", "layer", "coefficient", "letter"}, Fill::NotANumber,
            "log-probability of the letter as the next token");
  group.add("baseline_logprob", Type::F64, {"question", "letter"}, Fill::NotANumber, "the same, unsteered");
  group.add("top_token", Type::I32, cell, Fill::MinusOne, "id of the most probable next token");
  group.add("top_logprob", Type::F64, cell, Fill::NotANumber, "its log-probability");
  group.add("baseline_top_token", Type::I32, {"question"}, Fill::MinusOne, "the same, unsteered");
  group.add("baseline_top_logprob", Type::F64, {"question"}, Fill::NotANumber, "the same, unsteered");
  group.add("matching_letter", Type::I32, {"question"}, Fill::Zero,
            "index into letter of the answer that matches the behavior; -1: no letter of this run",
            letters_of(run, asked.questions, &AbItem::matching));
  group.add("other_letter", Type::I32, {"question"}, Fill::Zero, "the same of the other answer",
            letters_of(run, asked.questions, &AbItem::other));
  group.add("question_unit", Type::I32, {"question"}, Fill::Zero,
            "index into /sched/units of the unit that fills the row", units_of_rows(plan, run));
  add_texts(group, "question", asked.questions, run.items, false);
}

}  // namespace

void add_model(Schema& schema, const Plan& plan, const SweepSpec& spec, int index) {
  const ModelPlan& model = plan.models.at(index);
  const ModelSpec& asked = spec.models.at(model.model);
  GroupTable group(schema, model_group(spec, model));
  group.attribute("index", std::int64_t{index});
  group.attribute("path", asked.path);
  group.attribute("identity", model.facts.identity);
  group.attribute("format", std::string(name_of(asked.format)));
  group.attribute("dtype", std::string(steergrid::name_of(model.facts.dtype)));
  group.attribute("residual", asked.residual_in_model_dtype ? "model" : "float32");
  group.attribute("n_layers", std::int64_t{model.facts.shape.n_layers});
  group.attribute("hidden_size", std::int64_t{model.facts.shape.hidden});
  group.attribute("n_parameters", model.facts.shape.parameters());
  group.attribute("vocab_size", std::int64_t{model.facts.shape.vocabulary});
  group.attribute("synthetic", std::int64_t{model.facts.synthetic});
  group.attribute("tensor_parallel", std::int64_t{model.facts.tensor_parallel});
  schema.groups.push_back(model_group(spec, model) + "/vectors");
  for (int v = 0; v < static_cast<int>(model.vectors.size()); ++v) add_vectors(schema, spec, model, v);
  if (spec.activations != ActivationStore::None) {
    schema.groups.push_back(model_group(spec, model) + "/activations");
    for (int v = 0; v < static_cast<int>(model.vectors.size()); ++v) add_activations(schema, spec, model, v);
  }
  schema.groups.push_back(model_group(spec, model) + "/runs");
  for (int r = 0; r < static_cast<int>(model.runs.size()); ++r) add_run(schema, plan, spec, model, r);
}

std::string model_group(const SweepSpec& spec, const ModelPlan& model) {
  return "/models/" + spec.models.at(model.model).name;
}
std::string vectors_group(const SweepSpec& spec, const ModelPlan& model, int target) {
  return model_group(spec, model) + "/vectors/" + spec.vectors.at(model.vectors.at(target).source).name;
}
std::string activations_group(const SweepSpec& spec, const ModelPlan& model, int target) {
  return model_group(spec, model) + "/activations/" + spec.vectors.at(model.vectors.at(target).source).name;
}
std::string run_group(const SweepSpec& spec, const ModelPlan& model, int target) {
  return model_group(spec, model) + "/runs/" + spec.runs.at(model.runs.at(target).run).name;
}

}  // namespace steergrid::store
