// The table of everything in a result file, from the plan: groups, datasets with their axes, fills and known values,
// attributes. Creation, checks and tests go by this table; docs/result-file.md says the same in words, and a test
// compares the two. Knows no HDF5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "plan/plan.h"
#include "store/identity.h"

namespace steergrid::store {

enum class ElementType : std::uint8_t { U8, I32, F16, F32, F64, Text, UnitRecord, LaunchRecord };
std::size_t size_of(ElementType type);
/// As docs/result-file.md writes it: "i32", "f64", "string".
std::string_view name_of(ElementType type);

/// What stands where no unit has written: NaN (f32, f64), -1 (i32), or nothing written at creation (reads as 0).
enum class Fill : std::uint8_t { Zero, NotANumber, MinusOne, Unwritten };

struct Axis {
  std::string name;  // also the name of its dimension scale in the same group
  std::uint64_t length = 0;
};

/// Known when the file is created; monostate: filled in by units.
using Values = std::variant<std::monostate, std::vector<std::int32_t>, std::vector<double>, std::vector<std::string>,
                            std::vector<std::byte>>;

struct DatasetSpec {
  std::string group, name;
  ElementType type = ElementType::F64;
  std::vector<Axis> axes;  // none: a scalar
  Fill fill = Fill::Zero;
  Values values;
  std::string description;  // attribute of the dataset

  std::string path() const { return group + "/" + name; }
  bool is_scale() const { return axes.size() == 1 && axes[0].name == name; }
  std::uint64_t elements() const;
  std::uint64_t bytes() const { return elements() * size_of(type); }
};

struct AttributeSpec {
  std::string owner;  // path of a group
  std::string name;
  std::variant<std::int64_t, std::string> value;
};

struct Schema {
  std::vector<std::string> groups;    // parents first; "/" is not listed
  std::vector<DatasetSpec> datasets;  // within a group: scales first
  std::vector<AttributeSpec> attributes;
  std::uint64_t bytes() const;  // of all datasets, and an allowance for the rest
};

/// Throws Error where names clash or a size is beyond reason.
Schema make_schema(const Plan& plan, const SweepSpec& spec, const Provenance& provenance);

/// Where things lie: "/models/M/vectors/V", "/models/M/activations/V", "/models/M/runs/R" of a
/// target of the plan.
std::string model_group(const SweepSpec& spec, const ModelPlan& model);
std::string vectors_group(const SweepSpec& spec, const ModelPlan& model, int target);
std::string activations_group(const SweepSpec& spec, const ModelPlan& model, int target);
std::string run_group(const SweepSpec& spec, const ModelPlan& model, int target);

}  // namespace steergrid::store
