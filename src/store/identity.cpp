#include "store/identity.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/fingerprint.h"
#include "base/version.h"
#include "plan/identity.h"
#include "spec/problems.h"
#include "store/hdf5.h"
#include "store/schema.h"

namespace steergrid::store {
namespace {

using Json = nlohmann::json;

Json parse(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) bad_input("run identity: expected a JSON object, found '{}'", text.substr(0, 80));
  return json;
}

void compare(const Json& file, const Json& ours, const std::string& key, std::vector<std::string>& lines) {
  if (file == ours) return;
  if (file.is_object() && ours.is_object()) {
    std::set<std::string> keys;
    for (const auto& [name, value] : file.items()) keys.insert(name);
    for (const auto& [name, value] : ours.items()) keys.insert(name);
    for (const std::string& name : keys)
      compare(file.value(name, Json()), ours.value(name, Json()), key.empty() ? name : key + "." + name, lines);
    return;
  }
  lines.push_back(fmt::format("{}: file {}, this run {}", key, file.dump(), ours.dump()));
}

void check_dataset(const Doing& doing, hid_t file, const DatasetSpec& d) {
  const std::string what = "looking at " + d.path();
  Handle data = doing.handle(H5Dopen2(file, d.path().c_str(), H5P_DEFAULT), H5Dclose, what);
  Handle type = doing.handle(H5Dget_type(data.id()), H5Tclose, what);
  Handle space = doing.handle(H5Dget_space(data.id()), H5Sclose, what);
  if (doing.check(H5Tequal(type.id(), type_of(d.type).id()), what) == 0)
    bad_input("{}: {}: expected elements of type {}, found another type", doing.file(), d.path(), name_of(d.type));
  std::vector<hsize_t> dims(H5S_MAX_RANK);
  const int rank = doing.check(H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr), what);
  dims.resize(static_cast<std::size_t>(rank));
  if (!std::equal(dims.begin(), dims.end(), d.axes.begin(), d.axes.end(),
                  [](hsize_t n, const Axis& axis) { return n == axis.length; }))
    bad_input("{}: {}: expected other lengths of its axes than it has", doing.file(), d.path());
  check_data_inside(doing, data.id(), d.path());
}

void check_plan(const Doing& doing, hid_t file, const Plan& plan, const std::string& plan_text) {
  const std::string theirs = read_text_attribute(doing, file, "/", "plan_fingerprint");
  const std::string ours = hex_of(plan.fingerprint);
  if (theirs == ours) return;
  std::string lines;
  for (const std::string& line : differences(read_text(doing, file, "/spec/plan"), plan_text)) lines += "\n  " + line;
  if (lines.empty()) lines = "\n  (the descriptions agree, the fingerprints do not)";
  bad_input("{}: holds the results of another plan ({}, this spec gives {}); choose another output or undo:{}",
            doing.file(), theirs, ours, lines);
}

}  // namespace

RunIdentity run_identity(const Plan& plan, const SweepSpec& spec, std::string backend,
                         std::map<std::string, std::string> isa, std::string gemm) {
  RunIdentity identity{std::move(backend), std::move(isa), std::move(gemm), {}};
  for (const ModelPlan& model : plan.models) {
    const ModelSpec& asked = spec.models.at(model.model);
    identity.models.push_back({asked.name, std::string(steergrid::name_of(model.facts.dtype)),
                               asked.residual_in_model_dtype ? "model" : "float32", model.facts.tensor_parallel});
  }
  return identity;
}

std::string to_json(const RunIdentity& identity) {
  Json models = Json::object();
  for (const RunIdentity::Model& m : identity.models)
    models[m.name] = {{"dtype", m.dtype}, {"residual", m.residual}, {"tensor_parallel", m.tensor_parallel}};
  return Json{{"backend", identity.backend}, {"isa", identity.isa}, {"gemm", identity.gemm}, {"models", models}}.dump();
}

std::vector<std::string> identity_differences(const std::string& file, const std::string& ours) {
  std::vector<std::string> lines;
  compare(parse(file), parse(ours), "", lines);
  return lines;
}

std::vector<std::string> machine_differences(const std::string& file, const std::string& ours) {
  const Json theirs = parse(file), mine = parse(ours);
  std::vector<std::string> lines;
  for (const char* key : {"backend", "gemm"}) compare(theirs.value(key, Json()), mine.value(key, Json()), key, lines);
  const Json old_isa = theirs.value("isa", Json()), isa = mine.value("isa", Json());
  if (!old_isa.is_object() || !isa.is_object()) {
    compare(old_isa, isa, "isa", lines);
    return lines;
  }
  for (const auto& [dtype, name] : isa.items())  // a dtype of one sweep alone decides no unit of both
    if (old_isa.contains(dtype)) compare(old_isa[dtype], name, "isa." + dtype, lines);
  return lines;
}

Provenance provenance(std::string identity, std::string plan_text) {
  return {std::move(identity), std::move(plan_text), tool_version(), git_revision(), iso8601(wall_ns())};
}

std::optional<std::map<std::string, StoredChoice>> stored_choices(const std::string& path) {
  std::error_code error;
  const bool there = std::filesystem::exists(path, error);
  if (error)
    bad_input("{}: expected a path where a result file can lie, found one that cannot be looked at ({})", path,
              error.message());
  if (!there) return std::nullopt;
  const Handle file = open_result_file(path);
  const Doing doing(path, ExitCode::BadInput);
  Handle models = doing.handle(H5Gopen2(file.id(), "/models", H5P_DEFAULT), H5Gclose, "opening /models");
  std::map<std::string, StoredChoice> choices;
  for (const std::string& name : member_names(doing, models.id(), "/models")) {
    Handle model = doing.handle(H5Gopen2(models.id(), name.c_str(), H5P_DEFAULT), H5Gclose, "opening /models/" + name);
    const std::string dtype = read_text_attribute(doing, model.id(), name.c_str(), "dtype");
    const auto degree = read_int_attribute(doing, model.id(), name.c_str(), "tensor_parallel");
    if (!dtype_from_name(dtype)) bad_input("{}: model {}: expected a dtype, found {}", path, name, in_quotes(dtype));
    if (degree < 1 || degree > 1024) bad_input("{}: model {}: tensor_parallel is {}", path, name, degree);
    choices[name] = {*dtype_from_name(dtype), static_cast<int>(degree)};
  }
  return choices;
}

void check_plan_of(const std::string& path, const Plan& plan, const std::string& plan_text) {
  const Handle file = open_result_file(path);
  check_plan(Doing(path, ExitCode::BadInput), file.id(), plan, plan_text);
}

bool check_output(const std::string& path, const Plan& plan, const SweepSpec& spec, const Provenance& provenance,
                  bool allow_mixed) {
  const Handle file = open_result_file(path);
  const Doing doing(path, ExitCode::BadInput);
  check_plan(doing, file.id(), plan, provenance.plan_text);
  for (const DatasetSpec& d : make_schema(plan, spec, provenance).datasets) check_dataset(doing, file.id(), d);
  const auto differences =
      identity_differences(read_text_attribute(doing, file.id(), "/", "run_identity"), provenance.identity);
  if (differences.empty()) return false;
  if (allow_mixed) return true;
  std::string lines;
  for (const std::string& line : differences) lines += "\n  " + line;
  bad_input(
      "{}: was begun on another kind of machine; results may differ in their last bits. To go on all the same, "
      "with a mark on each unit, give --allow-mixed:{}",
      path, lines);
}

}  // namespace steergrid::store
