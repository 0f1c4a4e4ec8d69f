#include "store/group_table.h"

#include <algorithm>
#include <numeric>

namespace steergrid::store {
namespace {

std::vector<std::int32_t> count_up(std::uint64_t n) {
  std::vector<std::int32_t> values(n);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

}  // namespace

void GroupTable::axis(const std::string& name, std::uint64_t length, const std::string& description, Values values) {
  axes_.push_back({name, length});
  ElementType type = ElementType::I32;
  if (std::holds_alternative<std::monostate>(values)) values = count_up(length);
  if (std::holds_alternative<std::vector<double>>(values)) type = ElementType::F64;
  if (std::holds_alternative<std::vector<std::string>>(values)) type = ElementType::Text;
  add(name, type, {name}, Fill::Zero, description, std::move(values));
}

void GroupTable::add(const std::string& name, ElementType type, const std::vector<std::string>& axes, Fill fill,
                     const std::string& description, Values values) {
  DatasetSpec d{group_, name, type, {}, fill, std::move(values), description};
  for (const std::string& axis : axes)
    d.axes.push_back(*std::find_if(axes_.begin(), axes_.end(), [&](const Axis& a) { return a.name == axis; }));
  schema_.datasets.push_back(std::move(d));
}

}  // namespace steergrid::store
