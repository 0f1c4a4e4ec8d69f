// See read_sections.h. Entries with problems are kept where they have a name, so that what refers to them is not
// reported too; nothing is used of a spec with problems.
#include "spec/read_sections.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/model_path.h"
#include "spec/read_values.h"

namespace steergrid {

namespace {

/// Reads the entry's name; reports one that an earlier element of `earlier` has.
template <class Entry>
std::optional<std::string> read_name(const Fields& fields, const std::vector<Entry>& earlier, std::string_view what) {
  const auto field = fields.required("name", fmt::format("the {}'s name", what));
  auto name = field ? field->name() : std::nullopt;
  if (!name) return std::nullopt;
  const auto same = std::find_if(earlier.begin(), earlier.end(), [&](const Entry& e) { return e.name == *name; });
  if (same == earlier.end()) return name;
  field->problem(fmt::format("expected a name that no other {} has, found '{}' again (first at line {})", what, *name,
                             same->mark.line));
  return std::nullopt;
}

/// The index of what `field` names in `entries`; reports an unknown name.
template <class Entry>
std::optional<int> read_reference(const Field& field, const std::vector<Entry>& entries, std::string_view what) {
  const auto name = field.text(fmt::format("the name of a {}", what));
  if (!name) return std::nullopt;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].name == *name) return static_cast<int>(i);
    names.push_back(entries[i].name);
  }
  const std::string known = names.empty() || names.size() > 12 ? "" : fmt::format(" ({})", fmt::join(names, ", "));
  field.problem(
      fmt::format("expected the name of a {}{}, found {}{}", what, known, in_quotes(*name), suggestion(*name, names)));
  return std::nullopt;
}

/// A list of different names; reports repetitions.
template <class Entry>
std::vector<int> read_references(const Field& field, const std::vector<Entry>& entries, std::string_view what) {
  std::vector<int> found;
  const auto items = field.list(fmt::format("a list with at least one name of a {}", what));
  if (!items) return found;
  for (const Field& item : *items) {
    const auto index = read_reference(item, entries, what);
    if (!index) continue;
    const bool again = std::count(found.begin(), found.end(), *index) > 0;
    if (again) item.problem(fmt::format("expected each {} once, found {} again", what, in_quotes(item.node().scalar)));
    if (!again) found.push_back(*index);
  }
  return found;
}

template <class T>
void set(T& target, std::optional<T> value) {
  if (value) target = std::move(*value);
}

void read_behavior(const Field& field, SweepSpec& spec) {
  const Fields fields(field, "a behavior", {"name", "pairs", "questions"});
  if (!fields.ok()) return;
  const auto name = read_name(fields, spec.vectors, "behavior");
  VectorSource source{name.value_or(""), {}, field.mark()};
  if (const auto pairs = fields.required("pairs", "the path of a data set of contrast pairs"))
    set(source.pairs, read_items(*pairs));
  const auto questions = fields.get("questions");
  RunSpec run;
  if (questions) set(run.questions, read_items(*questions));
  if (!name) return;
  if (questions) {
    run.name = *name;
    run.vectors = static_cast<int>(spec.vectors.size());
    run.positions = spec.positions;
    run.mark = field.mark();
    spec.runs.push_back(std::move(run));
  }
  spec.vectors.push_back(std::move(source));
}

void read_run(const Field& field, SweepSpec& spec) {
  const Fields fields(field, "a run", {"name", "vectors", "questions", "positions", "layers", "coefficients"});
  if (!fields.ok()) return;
  RunSpec run;
  run.mark = field.mark();
  run.positions = spec.positions;
  const auto name = read_name(fields, spec.runs, "run");
  if (const auto f = fields.required("vectors", "the name of a behavior"))
    set(run.vectors, read_reference(*f, spec.vectors, "behavior"));
  if (const auto f = fields.required("questions", "the path of a data set of questions"))
    set(run.questions, read_items(*f));
  if (const auto f = fields.get("positions")) set(run.positions, read_positions(*f));
  if (const auto f = fields.get("layers")) run.layers = read_layers(*f);
  if (const auto f = fields.get("coefficients")) run.coefficients = read_coefficients(*f, spec.coefficients.unit);
  if (!name) return;
  run.name = *name;
  spec.runs.push_back(std::move(run));
}

/// What to do about a path that looks like a name on Hugging Face's hub, "owner/model", where not even "owner" is
/// there.
std::string hub_hint(const std::string& written, const std::string& path) {
  std::error_code error;
  const bool named = std::count(written.begin(), written.end(), '/') == 1 && written.find_first_of("~/") > 0 &&
                     !written.starts_with(".") && !written.ends_with("/");
  if (!named || std::filesystem::exists(std::filesystem::path(path).parent_path(), error)) return "";
  return "; nothing is downloaded: if this is a name on Hugging Face's hub, download the model first, and name its "
         "folder";
}

/// A checkpoint folder, or the name of a synthetic model as it stands; what that means is the engine's to say.
std::optional<std::string> read_folder(const Field& field) {
  if (field.is_scalar() && is_synthetic(field.node().scalar)) return field.node().scalar;
  auto path = read_path(field, "the path of a checkpoint folder");
  if (!path) return std::nullopt;
  std::error_code error;
  if (std::filesystem::is_directory(*path, error)) return path;
  const bool exists = std::filesystem::exists(*path, error);
  field.problem(fmt::format("expected a checkpoint folder at {}, found {}{}", path_in_quotes(*path),
                            exists ? "something else" : "none there",
                            exists ? "" : hub_hint(field.node().scalar, *path)));
  return std::nullopt;
}

/// What a model computes with.
void read_numerics(const Fields& fields, ModelSpec& model) {
  if (const auto f = fields.get("dtype")) {
    constexpr std::array<std::string_view, 4> kTypes = {"auto", "float32", "float16", "bfloat16"};
    if (const auto i = f->choice(kTypes)) model.dtype = dtype_from_name(kTypes[*i]);
  }
  if (const auto f = fields.get("residual")) {
    constexpr std::array<std::string_view, 2> kResiduals = {"float32", "model"};
    model.residual_in_model_dtype = f->choice(kResiduals).value_or(0) == 1;
  }
  if (const auto f = fields.get("tensor_parallel")) {
    constexpr std::array<std::string_view, 5> kDegrees = {"auto", "1", "2", "4", "8"};
    const auto i = f->choice(kDegrees);
    if (i && *i > 0) model.tensor_parallel = 1 << (*i - 1);
    model.tensor_parallel_mark = f->mark();
  }
  if (const auto f = fields.get("partials")) {
    constexpr std::array<std::string_view, 2> kPartials = {"float32", "bfloat16"};
    if (f->choice(kPartials).value_or(0) == 1) model.partials = DType::BFloat16;
    model.partials_mark = f->mark();
  }
  if (const auto f = fields.get("weights")) {
    constexpr std::array<std::string_view, 3> kPlaces = {"auto", "resident", "streamed"};
    model.weights = static_cast<WeightsIn>(f->choice(kPlaces).value_or(0));
  }
}

void read_format(const Field& field, ModelSpec& model) {
  if (field.node().scalar == "llama2-chat") {
    field.problem(
        "expected one of caa-llama2-chat, caa-base, found 'llama2-chat', which is kept for Meta's own layout "
        "and not there yet; did you mean 'caa-llama2-chat'?");
    return;
  }
  set(model.format, choose(field, {PromptFormat::CaaLlama2Chat, PromptFormat::CaaBase}));
}

void read_model(const Field& field, SweepSpec& spec) {
  const Fields fields(field, "a model",
                      {"name", "path", "dtype", "residual", "tensor_parallel", "partials", "weights", "format",
                       "layers", "coefficients", "runs"});
  if (!fields.ok()) return;
  ModelSpec model;
  model.mark = field.mark();
  model.tensor_parallel_mark = field.mark();
  const auto name = read_name(fields, spec.models, "model");
  if (const auto f = fields.required("path", "the path of a checkpoint folder")) set(model.path, read_folder(*f));
  read_numerics(fields, model);
  if (const auto f = fields.get("format")) read_format(*f, model);
  if (const auto f = fields.get("layers")) model.layers = read_layers(*f);
  if (const auto f = fields.get("coefficients")) model.coefficients = read_coefficients(*f, spec.coefficients.unit);
  if (const auto f = fields.get("runs")) {
    model.runs.emplace();
    for (const int run : read_references(*f, spec.runs, "run"))
      model.runs->push_back(spec.runs[static_cast<std::size_t>(run)].name);
  }
  if (!name) return;
  model.name = *name;
  spec.models.push_back(std::move(model));
}

void read_entries(const Field& field, SweepSpec& spec, std::string_view what, void (*read)(const Field&, SweepSpec&)) {
  if (const auto entries = field.list(what))
    for (const Field& entry : *entries) read(entry, spec);
}

void read_normalize(const Field& field, SweepSpec& spec) {
  spec.method.normalize = Method::Normalize::Behaviors;
  spec.method.over.clear();
  if (field.is_map()) {
    const Fields fields(field, "normalize", {"over"});
    if (const auto over = fields.required("over", "a list of behaviors")) {
      spec.method.over = read_references(*over, spec.vectors, "behavior");
      std::sort(spec.method.over.begin(), spec.method.over.end());  // a set: its order means nothing
    }
    return;
  }
  constexpr std::array<std::string_view, 3> kChoices = {"none", "behaviors", "{ over: [names] }"};
  const auto i = field.choice(kChoices);
  if (i && *i == 0) spec.method.normalize = Method::Normalize::None;
}

}  // namespace

void read_behaviors(const Field& field, SweepSpec& spec) {
  read_entries(field, spec, "a list with at least one behavior", read_behavior);
}

void read_runs(const Field& field, SweepSpec& spec) {
  read_entries(field, spec, "a list with at least one run", read_run);
}

void read_models(const Field& field, SweepSpec& spec) {
  read_entries(field, spec, "a list with at least one model", read_model);
}

void read_method(const Field& field, SweepSpec& spec) {
  const Fields fields(field, "a method", {"name", "normalize"});
  if (const auto f = fields.get("name")) {
    constexpr std::array<std::string_view, 1> kMethods = {"caa"};
    f->choice(kMethods);
  }
  if (const auto f = fields.get("normalize")) read_normalize(*f, spec);
}

}  // namespace steergrid
