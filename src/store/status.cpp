// Reads the bookkeeping into plain arrays first (each size checked against the file's), then counts.
#include "store/status.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include "base/clock.h"
#include "base/error.h"
#include "store/hdf5.h"

namespace steergrid::store {
namespace {

constexpr double kWindow = 300;  // seconds the rate looks back
constexpr std::size_t kMostFailures = 1000;
constexpr std::int32_t kMostInt = std::numeric_limits<std::int32_t>::max();

struct Target {
  std::string name;
  double cells = 0, items = 0;  // of a run
};
struct Model {
  std::string name, path;
  double parameters = 1;
  bool synthetic = false;
  std::vector<Target> vectors, runs;
};
struct Sched {
  std::vector<UnitRecord> units;
  std::vector<std::uint8_t> kind;
  std::vector<std::int32_t> model, target, first, count;
};

/// Reads one-dimensional datasets, refusing those that claim more bytes than the file has.
class Reader {
 public:
  explicit Reader(const std::string& path) : doing_(path, ExitCode::BadInput), file_(open_result_file(path)) {
    struct stat info = {};
    if (::stat(path.c_str(), &info) == 0) file_bytes_ = static_cast<std::uint64_t>(info.st_size);
  }
  const Doing& doing() const { return doing_; }
  hid_t file() const { return file_.id(); }

  std::uint64_t length(const std::string& dataset) const { return open(dataset).second; }

  template <class T>
  std::vector<T> read(const std::string& dataset, ElementType type) const {
    const auto [data, length] = open(dataset);
    const std::string what = "reading " + dataset;
    const Handle in_file = doing_.handle(H5Dget_type(data.id()), H5Tclose, what);
    const Handle memory = type_of(type);
    if (doing_.check(H5Tequal(in_file.id(), memory.id()), what) == 0)
      bad_input("{}: {}: expected elements of type {}, found another type", doing_.file(), dataset, name_of(type));
    std::vector<T> values(length);
    if (length > 0) doing_.check(H5Dread(data.id(), memory.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), what);
    return values;
  }

  /// Row `row` of /sched/message, up to its first NUL.
  std::string message(std::uint64_t row) const {
    const std::string what = "reading /sched/message";
    const Handle data = doing_.handle(H5Dopen2(file(), "/sched/message", H5P_DEFAULT), H5Dclose, what);
    check_data_inside(doing_, data.id(), "/sched/message");
    const Handle space = doing_.handle(H5Dget_space(data.id()), H5Sclose, what);
    hsize_t dims[2] = {};
    if (H5Sget_simple_extent_ndims(space.id()) != 2 || H5Sget_simple_extent_dims(space.id(), dims, nullptr) != 2 ||
        row >= dims[0] || dims[1] != kMessageBytes)
      bad_input("{}: {}: expected one row of {} bytes a unit", doing_.file(), what, kMessageBytes);
    const hsize_t start[2] = {row, 0}, extent[2] = {1, dims[1]};
    doing_.check(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start, nullptr, extent, nullptr), what);
    const Handle memory = doing_.handle(H5Screate_simple(1, &dims[1], nullptr), H5Sclose, what);
    std::string text(kMessageBytes, '\0');
    doing_.check(H5Dread(data.id(), H5T_NATIVE_UINT8, memory.id(), space.id(), H5P_DEFAULT, text.data()), what);
    return text.substr(0, text.find('\0'));
  }

 private:
  std::pair<Handle, std::uint64_t> open(const std::string& dataset) const {
    const std::string what = "reading " + dataset;
    Handle data = doing_.handle(H5Dopen2(file(), dataset.c_str(), H5P_DEFAULT), H5Dclose, what);
    const Handle space = doing_.handle(H5Dget_space(data.id()), H5Sclose, what);
    const Handle type = doing_.handle(H5Dget_type(data.id()), H5Tclose, what);
    hsize_t length = 0;
    if (H5Sget_simple_extent_ndims(space.id()) != 1) bad_input("{}: {}: expected one axis", doing_.file(), dataset);
    doing_.check(H5Sget_simple_extent_dims(space.id(), &length, nullptr), what);
    check_data_inside(doing_, data.id(), dataset);
    if (const std::size_t size = H5Tget_size(type.id()); size == 0 || length > file_bytes_ / size)
      bad_input("{}: {}: {} elements of {} bytes do not fit into a file of {} bytes", doing_.file(), dataset, length,
                size, file_bytes_);
    return {std::move(data), length};
  }

  Doing doing_;
  Handle file_;
  std::uint64_t file_bytes_ = 0;
};

/// Members of `group` in the order of their `index`, with that member opened.
template <class Make>
auto in_plan_order(const Reader& from, const std::string& group, const Make& make) {
  const Handle parent =
      from.doing().handle(H5Gopen2(from.file(), group.c_str(), H5P_DEFAULT), H5Gclose, "opening " + group);
  std::map<std::int64_t, decltype(make(hid_t{}, std::string()))> ordered;
  for (const std::string& name : member_names(from.doing(), parent.id(), group)) {
    const std::string path = group + "/" + name;
    const Handle member =
        from.doing().handle(H5Gopen2(parent.id(), name.c_str(), H5P_DEFAULT), H5Gclose, "opening " + path);
    ordered.emplace(read_int_attribute(from.doing(), member.id(), path.c_str(), "index"), make(member.id(), name));
  }
  std::vector<typename decltype(ordered)::mapped_type> list;
  for (auto& [index, value] : ordered) {
    if (index != static_cast<std::int64_t>(list.size()))
      bad_input("{}: {}: expected members numbered from 0 without gaps", from.doing().file(), group);
    list.push_back(std::move(value));
  }
  return list;
}

std::vector<Model> read_models(const Reader& from) {
  return in_plan_order(from, "/models", [&](hid_t group, const std::string& name) {
    const std::string path = "/models/" + name;
    Model model{name, read_text_attribute(from.doing(), group, path.c_str(), "path"), 1, false, {}, {}};
    model.parameters = static_cast<double>(
        std::max<std::int64_t>(1, read_int_attribute(from.doing(), group, path.c_str(), "n_parameters")));
    model.synthetic = read_int_attribute(from.doing(), group, path.c_str(), "synthetic") != 0;
    model.vectors = in_plan_order(from, path + "/vectors", [](hid_t, const std::string& v) { return Target{v}; });
    model.runs = in_plan_order(from, path + "/runs", [&](hid_t, const std::string& r) {
      const std::string run = path + "/runs/" + r + "/";
      const double cells =
          static_cast<double>(from.length(run + "layer")) * static_cast<double>(from.length(run + "coefficient"));
      return Target{r, cells, static_cast<double>(from.length(run + "question"))};
    });
    return model;
  });
}

Sched read_sched(const Reader& from, const std::vector<Model>& models) {
  Sched s;
  s.units = from.read<UnitRecord>("/sched/units", ElementType::UnitRecord);  // first: the rest never changes
  s.kind = from.read<std::uint8_t>("/sched/kind", ElementType::U8);
  s.model = from.read<std::int32_t>("/sched/model", ElementType::I32);
  s.target = from.read<std::int32_t>("/sched/target", ElementType::I32);
  s.first = from.read<std::int32_t>("/sched/first", ElementType::I32);
  s.count = from.read<std::int32_t>("/sched/count", ElementType::I32);
  const std::size_t n = s.units.size();
  const std::string& path = from.doing().file();
  for (const std::size_t other : {s.kind.size(), s.model.size(), s.target.size(), s.first.size(), s.count.size()})
    if (other != n) bad_input("{}: /sched: expected {} entries of each kind, found {}", path, n, other);
  for (std::size_t i = 0; i < n; ++i) {
    const bool known = s.model[i] >= 0 && static_cast<std::size_t>(s.model[i]) < models.size() && s.kind[i] <= 2;
    const bool range = s.first[i] >= 0 && s.count[i] >= 0 && s.first[i] <= kMostInt - s.count[i];
    if (!known || !range || s.units[i].state > UnitState::Blocked)
      bad_input("{}: /sched: unit {} makes no sense", path, i);
    const Model& model = models[static_cast<std::size_t>(s.model[i])];
    if (s.target[i] < 0 ||
        static_cast<std::size_t>(s.target[i]) >= (s.kind[i] == 2 ? model.runs : model.vectors).size())
      bad_input("{}: /sched: unit {} has no target {}", path, i, s.target[i]);
  }
  return s;
}

/// By a launch of this file: a copied record has times and team of the run that it was copied from.
bool computed_here(const UnitRecord& r) { return r.state == UnitState::Done && (r.flags & kFlagReused) == 0; }

void count(const UnitRecord& r, StateCounts& into) {
  ++into.total;
  if (r.state == UnitState::Failed) ++into.failed;
  if (r.state == UnitState::Blocked) ++into.blocked;
  if (r.state == UnitState::Absent && r.attempt > 0) ++into.suspect;
  if (r.state != UnitState::Done) return;
  ++into.done;
  into.not_finite += (r.flags & kFlagNotFinite) != 0;
  into.baseline_only += (r.flags & kFlagBaselineOnly) != 0;
  into.mixed += (r.flags & kFlagMixedIdentity) != 0;
  into.reused += (r.flags & kFlagReused) != 0;
}

double cells_of(const Sched& s, std::size_t i, const std::vector<Model>& models) {
  if (s.kind[i] != static_cast<std::uint8_t>(UnitKind::Evaluate)) return 0;
  const Target& run = models[static_cast<std::size_t>(s.model[i])].runs[static_cast<std::size_t>(s.target[i])];
  return run.items > 0 ? run.cells * s.count[i] / run.items : 0;
}

/// Cells finished in the window that ends at `now`, over its length (shorter if the work began inside it).
double cells_per_second(const Sched& s, const std::vector<Model>& models, std::int64_t now) {
  const std::int64_t since = now - static_cast<std::int64_t>(kWindow * 1e9);
  double cells = 0;
  std::int64_t begin = now;
  for (std::size_t i = 0; i < s.units.size(); ++i) {
    const UnitRecord& r = s.units[i];
    if (!computed_here(r) || r.finished < since || r.finished > now) continue;
    cells += cells_of(s, i, models);
    begin = std::min(begin, std::max(since, r.started));
  }
  const double seconds = seconds_between(begin, now);
  return seconds > 0 ? cells / seconds : 0;
}

/// Work is items times parameters (times cells for Evaluate); units computed here say how long one takes by kind.
std::optional<double> seconds_left(const Sched& s, const std::vector<Model>& models) {
  double seconds[3] = {}, done[3] = {}, left[3] = {};
  std::set<std::uint32_t> teams;
  std::uint32_t launch = 0;
  for (const UnitRecord& r : s.units)
    if (computed_here(r)) launch = std::max(launch, r.launch);
  for (std::size_t i = 0; i < s.units.size(); ++i) {
    const UnitRecord& r = s.units[i];
    const Model& model = models[static_cast<std::size_t>(s.model[i])];
    const double runs = s.kind[i] == 2 ? model.runs[static_cast<std::size_t>(s.target[i])].cells : 1;
    const double work = model.parameters * s.count[i] * std::max(1.0, runs);
    if (r.state == UnitState::Absent) left[s.kind[i]] += work;
    if (!computed_here(r)) continue;
    seconds[s.kind[i]] += std::max(0.0, seconds_between(r.started, r.finished));
    done[s.kind[i]] += work;
    if (r.launch == launch && s.kind[i] != 1) teams.insert(r.team);
  }
  double total = 0;
  for (const std::size_t kind : {0u, 2u}) {  // Vectors units take no time to speak of
    if (left[kind] > 0 && done[kind] <= 0) return std::nullopt;
    if (left[kind] > 0) total += left[kind] * seconds[kind] / done[kind];
  }
  return total / static_cast<double>(std::max<std::size_t>(1, teams.size()));
}

/// Summed over launches: from the start of its first unit to the end of its last.
double seconds_at_work(const Sched& s) {
  std::map<std::uint32_t, std::pair<std::int64_t, std::int64_t>> spans;
  for (const UnitRecord& r : s.units) {
    if (!computed_here(r)) continue;
    const auto [at, fresh] = spans.try_emplace(r.launch, r.started, r.finished);
    at->second = {std::min(at->second.first, r.started), std::max(at->second.second, r.finished)};
  }
  double seconds = 0;
  for (const auto& [launch, span] : spans) seconds += std::max(0.0, seconds_between(span.first, span.second));
  return seconds;
}

/// Attempts and time of a unit that has ended.
void add_effort(Status& status, const UnitRecord& r) {
  if (r.state == UnitState::Absent || r.state == UnitState::Blocked) return;
  status.retries += static_cast<int>(std::clamp<std::uint32_t>(r.attempt, 1, 1000) - 1);
  if (computed_here(r)) status.worker_seconds += std::max(0.0, seconds_between(r.started, r.finished)) * r.ranks;
}

void add_unit(Status& status, const Sched& s, std::size_t i, const std::vector<Model>& models) {
  add_effort(status, s.units[i]);
  ModelStatus& model = status.models[static_cast<std::size_t>(s.model[i])];
  StateCounts* kinds[] = {&model.extract, &model.vectors, &model.evaluate};
  count(s.units[i], *kinds[s.kind[i]]);
  count(s.units[i], status.total);
  const double cells = cells_of(s, i, models);
  model.cells += cells;
  status.cells += cells;
  if (s.units[i].state == UnitState::Done && (s.units[i].flags & kFlagBaselineOnly) == 0) {
    model.cells_done += cells;
    status.cells_done += cells;
    if (computed_here(s.units[i])) status.cells_computed += cells;
  }
}

FailedUnit failed_unit(const Reader& from, const Sched& s, std::size_t i, const std::vector<Model>& models) {
  const Model& model = models[static_cast<std::size_t>(s.model[i])];
  const auto target = static_cast<std::size_t>(s.target[i]);
  const auto kind = static_cast<UnitKind>(s.kind[i]);
  return {static_cast<int>(i),
          s.units[i].state,
          kind,
          model.name,
          (kind == UnitKind::Evaluate ? model.runs : model.vectors)[target].name,
          s.first[i],
          s.count[i],
          s.units[i].attempt,
          from.message(i)};
}

}  // namespace

Status read_status(const std::string& path, std::int64_t now) {
  const Reader from(path);
  Status status;
  status.name = read_text_attribute(from.doing(), from.file(), "/", "name");
  status.created = read_text_attribute(from.doing(), from.file(), "/", "created");
  status.fingerprint = read_text_attribute(from.doing(), from.file(), "/", "plan_fingerprint");
  const std::vector<Model> models = read_models(from);
  const Sched sched = read_sched(from, models);
  for (const Model& model : models)
    status.models.push_back({model.name, model.path, model.synthetic, {}, {}, {}, 0, 0});
  for (std::size_t i = 0; i < sched.units.size(); ++i) {
    add_unit(status, sched, i, models);
    const UnitState state = sched.units[i].state;
    if ((state == UnitState::Failed || state == UnitState::Blocked) && status.failures.size() < kMostFailures)
      status.failures.push_back(failed_unit(from, sched, i, models));
  }
  status.cells_per_second = cells_per_second(sched, models, now);
  status.seconds_at_work = seconds_at_work(sched);
  status.seconds_left = seconds_left(sched, models);
  for (const LaunchRecord& l : from.read<LaunchRecord>("/sched/launches", ElementType::LaunchRecord))
    if (l.started != 0) {
      ++status.launches;
      status.on_gpus = std::string_view(l.devices, sizeof l.devices).starts_with("cuda");
    }
  status.running = lock_owner(path);
  if (status.running)
    status.under_way = static_cast<int>(std::ranges::count_if(sched.units, [&](const UnitRecord& r) {
      return r.state == UnitState::Absent && r.attempt > 0 && r.launch + 1 == static_cast<unsigned>(status.launches);
    }));
  return status;
}

}  // namespace steergrid::store
