// Adds the datasets of one group to a schema: axes are stated once, with their lengths and coordinates; datasets name
// them. Used by schema.cpp (root, spec, sched) and schema_models.cpp (models, vectors, activations, runs).
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "store/schema.h"

namespace steergrid::store {

class GroupTable {
 public:
  GroupTable(Schema& schema, std::string group) : schema_(schema), group_(std::move(group)) {
    schema_.groups.push_back(group_);
  }

  /// An axis whose coordinates are `values`; by default the index.
  void axis(const std::string& name, std::uint64_t length, const std::string& description, Values values = {});
  /// A dataset over axes that were stated before.
  void add(const std::string& name, ElementType type, const std::vector<std::string>& axes, Fill fill,
           const std::string& description, Values values = {});
  void attribute(const std::string& name, std::variant<std::int64_t, std::string> value) {
    schema_.attributes.push_back({group_, name, std::move(value)});
  }

 private:
  Schema& schema_;
  std::string group_;
  std::vector<Axis> axes_;
};

/// The group of the plan's model `index` with all below it.
void add_model(Schema& schema, const Plan& plan, const SweepSpec& spec, int index);

}  // namespace steergrid::store
