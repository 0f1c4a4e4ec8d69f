// The root, /spec and /sched; the models' groups are in schema_models.cpp.
#include "store/schema.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/fingerprint.h"
#include "store/group_table.h"
#include "store/records.h"

namespace steergrid::store {
namespace {

using Type = ElementType;

void add_root(Schema& schema, const Plan& plan, const SweepSpec& spec, const Provenance& provenance) {
  const auto add = [&](const char* name, std::variant<std::int64_t, std::string> value) {
    schema.attributes.push_back({"/", name, std::move(value)});
  };
  add("format_version", std::int64_t{kFormatVersion});
  add("name", spec.name);
  add("seed", spec.seed);
  add("tool_version", provenance.tool_version);
  add("git_revision", provenance.git_revision);
  add("created", provenance.created);
  add("plan_fingerprint", hex_of(plan.fingerprint));
  add("run_identity", provenance.identity);
}

void add_spec(Schema& schema, const SweepSpec& spec, const Provenance& provenance) {
  std::vector<std::string> paths, identities;
  const auto remember = [&](const DataSet& data) {
    if (data.path.empty() || std::find(paths.begin(), paths.end(), data.path) != paths.end()) return;
    paths.push_back(data.path);
    identities.push_back(data.identity);
  };
  for (const VectorSource& source : spec.vectors) remember(source.pairs);
  for (const RunSpec& run : spec.runs) remember(run.questions);

  GroupTable group(schema, "/spec");
  group.axis("file", paths.size(), "files the spec names, by index");
  group.add("yaml", Type::Text, {}, Fill::Zero, "the spec as the user wrote it", std::vector{spec.text});
  group.add("plan", Type::Text, {}, Fill::Zero, "what decides the results, one fact a line",
            std::vector{provenance.plan_text});
  group.add("path", Type::Text, {"file"}, Fill::Zero, "where the file lay", std::move(paths));
  group.add("identity", Type::Text, {"file"}, Fill::Zero, "identity of the file's content", std::move(identities));
}

void add_sched(Schema& schema, const Plan& plan) {
  std::vector<UnitRecord> records(plan.units.size());
  std::vector<std::byte> kinds;
  std::vector<std::int32_t> model, target, first, count;
  for (std::size_t i = 0; i < plan.units.size(); ++i) {
    const Unit& unit = plan.units[i];
    records[i].content = unit.content;
    kinds.push_back(static_cast<std::byte>(unit.kind));
    model.push_back(unit.model);
    target.push_back(unit.target);
    first.push_back(unit.first);
    count.push_back(unit.count);
  }
  const auto raw = std::as_bytes(std::span(records));
  GroupTable group(schema, "/sched");
  group.axis("unit", plan.units.size(), "unit, by index in the plan");
  group.axis("character", kMessageBytes, "byte of a message, by index");
  group.axis("launch", kLaunches, "launch, in order of time");
  group.add("units", Type::UnitRecord, {"unit"}, Fill::Zero,
            "state of each unit: 0 absent, 1 done, 2 failed, 3 blocked",
            std::vector<std::byte>(raw.begin(), raw.end()));
  group.add("kind", Type::U8, {"unit"}, Fill::Zero, "0 extract, 1 vectors, 2 evaluate", std::move(kinds));
  group.add("model", Type::I32, {"unit"}, Fill::Zero, "index of the model", std::move(model));
  group.add("target", Type::I32, {"unit"}, Fill::Zero, "index of the model's V or R", std::move(target));
  group.add("first", Type::I32, {"unit"}, Fill::Zero, "first item", std::move(first));
  group.add("count", Type::I32, {"unit"}, Fill::Zero, "number of items", std::move(count));
  group.add("message", Type::U8, {"unit", "character"}, Fill::Zero, "why a unit failed: UTF-8, NUL-padded");
  group.add("launches", Type::LaunchRecord, {"launch"}, Fill::Zero, "when, where, which binary");
}

void check(const Schema& schema) {
  std::set<std::string> seen;
  for (const std::string& group : schema.groups)
    if (!seen.insert(group).second) bad_input("result file: two groups would have the name {}", group);
  for (const DatasetSpec& d : schema.datasets) {
    double bytes = static_cast<double>(store::size_of(d.type));
    for (const Axis& axis : d.axes) bytes *= static_cast<double>(axis.length);
    if (bytes > 0x1p60) bad_input("result file: {} would have {:.3g} bytes", d.path(), bytes);
  }
}

}  // namespace

std::size_t size_of(ElementType type) {
  switch (type) {
    case Type::U8: return 1;
    case Type::F16: return 2;
    case Type::I32:
    case Type::F32: return 4;
    case Type::F64: return 8;
    case Type::Text: return 16;  // a reference; the characters lie elsewhere
    case Type::UnitRecord: return sizeof(UnitRecord);
    case Type::LaunchRecord: return sizeof(LaunchRecord);
  }
  return 0;
}

std::string_view name_of(ElementType type) {
  switch (type) {
    case Type::U8: return "u8";
    case Type::I32: return "i32";
    case Type::F16: return "f16";
    case Type::F32: return "f32";
    case Type::F64: return "f64";
    case Type::Text: return "string";
    case Type::UnitRecord: return "64-byte records";
    case Type::LaunchRecord: return "512-byte records";
  }
  return "?";
}

std::uint64_t DatasetSpec::elements() const {
  std::uint64_t n = 1;
  for (const Axis& axis : axes) n *= axis.length;
  return n;
}

std::uint64_t Schema::bytes() const {
  std::uint64_t total = 1 << 16;
  for (const DatasetSpec& d : datasets) {
    total += d.bytes() + 6144;  // alignment, object header, attributes
    if (const auto* texts = std::get_if<std::vector<std::string>>(&d.values))
      for (const std::string& text : *texts) total += text.size() + text.size() / 4 + 32;
  }
  return total;
}

Schema make_schema(const Plan& plan, const SweepSpec& spec, const Provenance& provenance) {
  Schema schema;
  add_root(schema, plan, spec, provenance);
  add_spec(schema, spec, provenance);
  schema.groups.emplace_back("/models");
  for (int m = 0; m < static_cast<int>(plan.models.size()); ++m) add_model(schema, plan, spec, m);
  add_sched(schema, plan);
  check(schema);
  return schema;
}

}  // namespace steergrid::store
