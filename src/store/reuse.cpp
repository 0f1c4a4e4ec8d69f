#include "store/reuse.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/dtype.h"
#include "base/error.h"
#include "base/fingerprint.h"
#include "plan/identity.h"
#include "store/hdf5.h"
#include "store/identity.h"
#include "store/slabs.h"

namespace steergrid::store {
namespace {

using Type = ElementType;

/// What units of a kind copy, in their target's group.
constexpr std::array<std::array<const char*, 6>, 3> kDatasets{
    {{"block_unit", "block_sums", "block_norm_sums"},
     {"mean", "scale", "mean_norm", "residual_norm"},
     {"letter_logprob", "top_token", "top_logprob", "baseline_logprob", "baseline_top_token", "baseline_top_logprob"}}};

std::uint64_t bytes_of_file(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

}  // namespace

struct OldResults::Open {
  explicit Open(const std::string& path)
      : doing(path, ExitCode::BadInput),
        file(open_result_file(path)),
        slabs(doing, file.id(), H5P_DEFAULT),
        file_bytes(bytes_of_file(path)) {}

  /// Rows that lie in the file itself and have `wide` elements each.
  template <class T>
  std::vector<T> rows(const std::string& dataset, Type type, std::uint64_t from, std::uint64_t n,
                      std::uint64_t wide) try {
    if (slabs.row_elements(dataset, type) != wide)
      bad_input("{}: {}: expected rows of {} values, found {}", doing.file(), dataset, wide,
                slabs.row_elements(dataset, type));
    if (n > file_bytes / sizeof(T) / std::max<std::uint64_t>(1, wide))
      bad_input("{}: {}: {} rows do not fit into a file of {} bytes", doing.file(), dataset, n, file_bytes);
    std::vector<T> values(n * wide);
    slabs.read(dataset, type, from, n, values.data(), values.size());
    return values;
  } catch (const Error& e) {
    throw Error(ExitCode::BadInput, e.what());
  }
  template <class T>
  std::vector<T> column(const std::string& dataset, Type type) {
    return rows<T>(dataset, type, 0, slabs.rows(dataset, type), 1);
  }

  /// The member of a group whose attribute `index` is `index`, as a path.
  const std::string& member(const std::string& group, std::int32_t index) {
    auto& names = members[group];
    if (names.empty()) {
      const Handle parent = doing.handle(H5Gopen2(file.id(), group.c_str(), H5P_DEFAULT), H5Gclose, "opening " + group);
      for (const std::string& name : member_names(doing, parent.id(), group)) {
        const std::string path = group + "/" + name;
        const Handle one = doing.handle(H5Gopen2(file.id(), path.c_str(), H5P_DEFAULT), H5Gclose, "opening " + path);
        names[read_int_attribute(doing, one.id(), path.c_str(), "index")] = path;
      }
    }
    const auto found = names.find(index);
    if (found == names.end())
      bad_input("{}: {}: expected a member of index {}, found none", doing.file(), group, index);
    return found->second;
  }

  void read_tables() {
    units = column<UnitRecord>("/sched/units", Type::UnitRecord);
    kind = column<std::uint8_t>("/sched/kind", Type::U8);
    for (const auto& [name, values] :
         {std::pair{"model", &model}, {"target", &target}, {"first", &first}, {"count", &count}}) {
      *values = column<std::int32_t>(std::string("/sched/") + name, Type::I32);
      if (values->size() != units.size() || kind.size() != units.size())
        bad_input("{}: /sched/{}: expected {} units, found {}", doing.file(), name, units.size(), values->size());
    }
    for (std::size_t u = 0; u < units.size(); ++u)
      if (units[u].state == UnitState::Done && (units[u].flags & kFlagBaselineOnly) == 0)
        done.emplace(units[u].content, u);
  }

  /// The done unit that is the same as `unit`.
  std::optional<std::size_t> twin_of(const Unit& unit) const {
    const auto found = done.find(unit.content);
    if (found == done.end()) return std::nullopt;
    const std::size_t u = found->second;
    const bool same = kind[u] == static_cast<std::uint8_t>(unit.kind) && count[u] == unit.count && first[u] >= 0;
    return same ? std::optional(u) : std::nullopt;
  }

  void check_sum(std::size_t u, std::uint64_t found) const {
    if (found != units[u].crc)
      bad_input("{}: unit {}: expected rows of checksum {}, as its record says, found {}", doing.file(), u,
                hex_of(units[u].crc), hex_of(found));
  }
  std::string target_of(std::size_t u, const char* kind_of_target) {
    return member(member("/models", model[u]) + "/" + kind_of_target, target[u]) + "/";
  }
  /// Where the activations of an Extract unit's pairs lie.
  std::string activations_of(std::size_t u) {
    const std::string source = member(member("/models", model[u]) + "/vectors", target[u]);
    return member("/models", model[u]) + "/activations" + source.substr(source.rfind('/')) + "/activations";
  }

  void copy_extract(std::size_t u, int id, const Unit& unit, const ModelShape& shape, ActivationStore keep,
                    ResultFile& to);
  void copy_vectors(std::size_t u, int id, const ModelShape& shape, ResultFile& to);
  void copy_evaluation(std::size_t u, int id, const Unit& unit, const RunPlan& run, ResultFile& to);

  Doing doing;
  Handle file;
  Slabs slabs;
  std::uint64_t file_bytes;
  std::map<std::string, std::map<std::int64_t, std::string>> members;  // path by index, by group
  std::vector<UnitRecord> units;
  std::vector<std::uint8_t> kind;
  std::vector<std::int32_t> model, target, first, count;
  std::map<std::uint64_t, std::size_t> done;  // by content
  bool other_machine = false;
};

void OldResults::Open::copy_extract(std::size_t u, int id, const Unit& unit, const ModelShape& shape,
                                    ActivationStore keep, ResultFile& to) {
  const auto layers = static_cast<std::uint64_t>(shape.n_layers), hidden = static_cast<std::uint64_t>(shape.hidden);
  const std::string group = target_of(u, "vectors");
  const auto blocks = column<std::int32_t>(group + "block_unit", Type::I32);
  const auto at = static_cast<std::uint64_t>(std::ranges::find(blocks, static_cast<std::int32_t>(u)) - blocks.begin());
  const Block block{rows<double>(group + "block_sums", Type::F64, at, 1, layers * hidden),
                    rows<double>(group + "block_norm_sums", Type::F64, at, 1, layers),
                    {}};
  check_sum(u, checksum_of(block.rows()));
  if (keep != ActivationStore::None) {
    const std::string name = activations_of(u);
    const auto begin = static_cast<std::uint64_t>(first[u]), items = static_cast<std::uint64_t>(unit.count);
    const std::uint64_t wide = 2 * layers * hidden;
    std::vector<float> values;
    if (keep == ActivationStore::Float16) {
      const auto half = rows<std::uint16_t>(name, Type::F16, begin, items, wide);
      values.resize(half.size());
      std::ranges::transform(half, values.begin(), float16_to_float);  // and exactly back when written
    } else {
      values = rows<float>(name, Type::F32, begin, items, wide);
    }
    to.write_activations(id, values);
  }
  to.write_block(id, block.rows());
}

void OldResults::Open::copy_vectors(std::size_t u, int id, const ModelShape& shape, ResultFile& to) {
  const auto layers = static_cast<std::uint64_t>(shape.n_layers);
  const std::string group = target_of(u, "vectors");
  const Vectors vectors{rows<float>(group + "mean", Type::F32, 0, layers, static_cast<std::uint64_t>(shape.hidden)),
                        rows<double>(group + "scale", Type::F64, 0, layers, 1),
                        rows<double>(group + "mean_norm", Type::F64, 0, layers, 1),
                        rows<double>(group + "residual_norm", Type::F64, 0, layers, 1)};
  check_sum(u, checksum_of(vectors.rows()));
  to.write_vectors(id, vectors.rows());
}

void OldResults::Open::copy_evaluation(std::size_t u, int id, const Unit& unit, const RunPlan& run, ResultFile& to) {
  const std::string group = target_of(u, "runs");
  const auto begin = static_cast<std::uint64_t>(first[u]), items = static_cast<std::uint64_t>(unit.count);
  const std::uint64_t cells = run.layers.size() * run.coefficients.values.size(), letters = run.letters.size();
  const Evaluation rows_of{rows<double>(group + "letter_logprob", Type::F64, begin, items, cells * letters),
                           rows<std::int32_t>(group + "top_token", Type::I32, begin, items, cells),
                           rows<double>(group + "top_logprob", Type::F64, begin, items, cells),
                           rows<double>(group + "baseline_logprob", Type::F64, begin, items, letters),
                           rows<std::int32_t>(group + "baseline_top_token", Type::I32, begin, items, 1),
                           rows<double>(group + "baseline_top_logprob", Type::F64, begin, items, 1)};
  check_sum(u, checksum_of(rows_of.rows()));
  to.write_evaluation(id, rows_of.rows());
}

OldResults::OldResults(const std::string& path, const std::string& identity, bool allow_mixed) try {
  if (!stored_choices(path)) bad_input("{}: expected a result file to reuse, found none", path);
  open_ = std::make_unique<Open>(path);
  Open& o = *open_;
  o.read_tables();
  std::string lines;
  for (const std::string& line :
       machine_differences(read_text_attribute(o.doing, o.file.id(), "/", "run_identity"), identity))
    lines += "\n  " + line;
  o.other_machine = !lines.empty();
  const bool marked = std::ranges::any_of(o.units, [](const UnitRecord& r) { return r.flags & kFlagMixedIdentity; });
  if ((o.other_machine || marked) && !allow_mixed)
    bad_input(
        "{}: was made on another kind of machine, or on several; results may differ in their last bits. To reuse them "
        "all the same, with a mark on each unit, give --allow-mixed:{}",
        path, lines.empty() ? "\n  (some of its units bear that mark)" : lines);
} catch (const Error& e) {
  throw Error(ExitCode::BadInput, e.what());
}

void OldResults::open_all(const Plan& plan, bool activations) const {
  Open& o = *open_;
  std::set<std::string> opened;
  const auto open = [&](const std::string& dataset) {
    if (opened.insert(dataset).second)
      o.doing.handle(H5Dopen2(o.file.id(), dataset.c_str(), H5P_DEFAULT), H5Dclose, "opening " + dataset);
  };
  for (const Unit& unit : plan.units) {
    const auto twin = o.twin_of(unit);
    if (!twin) continue;
    const std::string group = o.target_of(*twin, unit.kind == UnitKind::Evaluate ? "runs" : "vectors");
    for (const char* name : kDatasets.at(static_cast<std::size_t>(unit.kind)))
      if (name != nullptr) open(group + name);
    if (unit.kind == UnitKind::Extract && activations) open(o.activations_of(*twin));
  }
  read_text(o.doing, o.file.id(), "/spec/plan");
}

OldResults::~OldResults() = default;
OldResults::OldResults(OldResults&&) noexcept = default;

Reused OldResults::copy_into(ResultFile& file, const Plan& plan, const SweepSpec& spec) const {
  Open& o = *open_;
  Reused reused;
  for (int id = 0; id < static_cast<int>(plan.units.size()); ++id) {
    const Unit& unit = plan.units[static_cast<std::size_t>(id)];
    Reused::Count& kind = reused.kinds.at(static_cast<std::size_t>(unit.kind));
    ++kind.of;
    const auto twin = o.twin_of(unit);
    if (!twin || file.records()[static_cast<std::size_t>(id)].state != UnitState::Absent) continue;
    const ModelPlan& model = plan.models[static_cast<std::size_t>(unit.model)];
    if (unit.kind == UnitKind::Extract)
      o.copy_extract(*twin, id, unit, model.facts.shape, spec.activations, file);
    else if (unit.kind == UnitKind::Vectors)
      o.copy_vectors(*twin, id, model.facts.shape, file);
    else
      o.copy_evaluation(*twin, id, unit, model.runs[static_cast<std::size_t>(unit.target)], file);
    const UnitRecord& record = o.units[*twin];
    file.commit(id, {.crc = record.crc,
                     .flags = (record.flags & (kFlagNotFinite | kFlagMixedIdentity)) | kFlagReused |
                              (o.other_machine ? kFlagMixedIdentity : 0),
                     .started = record.started,
                     .finished = record.finished,
                     .team = record.team,
                     .ranks = record.ranks});
    ++kind.copied;
  }
  return reused;
}

std::vector<std::string> OldResults::differences_from(const std::string& plan_text) const {
  return differences(read_text(open_->doing, open_->file.id(), "/spec/plan"), plan_text);
}

}  // namespace steergrid::store
