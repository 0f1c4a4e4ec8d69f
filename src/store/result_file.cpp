#include "store/result_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>
#include <optional>

#include "base/dtype.h"
#include "base/error.h"
#include "base/fingerprint.h"
#include "store/hdf5.h"
#include "store/sink.h"
#include "store/slabs.h"

namespace steergrid::store {
namespace {

/// Every member's `mine`, on every member. Collective.
std::vector<int> from_all(MPI_Comm comm, int mine) {
  int size = 0;
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  std::vector<int> all(static_cast<std::size_t>(size));
  check_mpi(MPI_Allgather(&mine, 1, MPI_INT, all.data(), 1, MPI_INT, comm), "MPI_Allgather");
  return all;
}

/// What tells this file from others of its name: at least 0.
int print_of(const std::string& path) {
  const Handle file = open_to_read(path);
  Fingerprint print;
  for (const char* name : {"plan_fingerprint", "created"})
    print.add(read_text_attribute(Doing(path), file.id(), "/", name));
  return static_cast<int>(print.value() & 0x7fffffffU);
}

/// What all members throw where one has failed; one `speaks`, the others throw in silence.
[[noreturn]] void fail_together(bool speaks, const std::string& sentence) {
  throw Error(ExitCode::Failed, speaks ? sentence : "");
}

/// Leaders on other nodes must see the file that rank 0 checked, not one of the same name on a disk of their own, nor
/// an older state of it. Collective: throws on all members or on none.
void check_same_file(const std::string& path, const Communicator& members) {
  constexpr int kUnreadable = -1;
  int mine = kUnreadable;
  std::string why;
  try {
    mine = print_of(path);
  } catch (const std::exception& e) {  // the others wait in from_all
    why = e.what();
  }
  const std::vector<int> prints = from_all(mpi_handle(members), mine);
  for (std::size_t i = 0; i < prints.size(); ++i)
    if (prints[i] == kUnreadable)
      fail_together(members.rank() == static_cast<int>(i), fmt::format("{} (member {} of {})", why, i, prints.size()));
  for (std::size_t i = 0; i < prints.size(); ++i)
    if (prints[i] != prints[0])
      fail_together(
          members.rank() == 0,
          fmt::format("{}: member {} of {} sees another file than rank 0: is the path on a disk that all nodes share?",
                      path, i, prints.size()));
}

}  // namespace

struct ResultFile::Open {
  Open(const std::string& file_path, const Plan& p, const SweepSpec& s) : path(file_path), plan(p), spec(s) {}
  ~Open() {  // closing would be collective: `close` does that
    if (slabs) slabs->release();
    file.release();
    transfer.release();
    if (descriptor >= 0) ::close(descriptor);
  }

  const Unit& unit(int id, UnitKind kind, const char* rows) const {
    const Unit& found = plan.units.at(static_cast<std::size_t>(id));
    if (found.kind != kind) failed("{}: unit {} has no {}", path, id, rows);
    return found;
  }
  std::string vectors_of(const Unit& u) const { return vectors_group(spec, plan.models.at(u.model), u.target) + "/"; }
  std::string run_of(const Unit& u) const { return run_group(spec, plan.models.at(u.model), u.target) + "/"; }
  std::uint64_t block_of(int id) const {
    const Unit& u = plan.units.at(static_cast<std::size_t>(id));
    const std::vector<int>& blocks = plan.models.at(u.model).vectors.at(u.target).blocks;
    return static_cast<std::uint64_t>(std::find(blocks.begin(), blocks.end(), id) - blocks.begin());
  }

  template <class T>
  void write(const std::string& dataset, ElementType type, std::uint64_t first, std::uint64_t rows,
             std::span<const T> data) {
    if (!slabs) failed("{}: only rank 0 writes to this file", path);
    try {
      slabs->write(dataset, type, first, rows, data.data(), data.size());
      unsynced = true;  // not before: another thread may be in `sync`
    } catch (const Error& error) {
      throw Error(error.code(), error.what() + disk_full());
    }
  }
  template <class T>
  std::vector<T> read(const std::string& dataset, ElementType type, std::uint64_t first, std::uint64_t rows) {
    std::vector<T> data(rows * slabs->row_elements(dataset, type));
    slabs->read(dataset, type, first, rows, data.data(), data.size());
    return data;
  }

  /// MPI's error messages seldom say that the disk is full.
  std::string disk_full() const {
    struct statvfs info = {};
    if (::statvfs(path.c_str(), &info) != 0 || info.f_bavail * info.f_frsize > (1U << 20)) return "";
    return "; no space is left on the disk";
  }
  /// Any thread: when it returns, what was written before the call is durable, whoever made it so. After one failure
  /// none returns: the system tells of lost bytes once, and does not say whose they were.
  void sync() {
    const std::lock_guard lock(syncing);
    if (!sync_error.empty()) throw Error(ExitCode::Failed, sync_error);
    if (!unsynced.exchange(false) || ::fdatasync(descriptor) == 0) return;
    const int why = errno;
    sync_error = fmt::format("{}: fdatasync failed ({}){}", path, std::strerror(why), disk_full());
    throw Error(ExitCode::Failed, sync_error);
  }

  void put_record(int id, const UnitRecord& record) {
    UnitRecord& mine = records.at(static_cast<std::size_t>(id));
    UnitRecord full = record;
    full.content = mine.content;
    full.launch = launch;
    write("/sched/units", ElementType::UnitRecord, static_cast<std::uint64_t>(id), 1,
          std::span<const UnitRecord>(&full, 1));
    sync();
    mine = full;
  }
  void put_message(int id, const std::string& sentence) {
    std::array<char, kMessageBytes> bytes{};
    const std::string text = cut_utf8(sentence, bytes.size());
    std::copy(text.begin(), text.end(), bytes.begin());
    write("/sched/message", ElementType::U8, static_cast<std::uint64_t>(id), 1, std::span<const char>(bytes));
  }
  void end_without_result(int id, UnitState state, const std::string& sentence) {
    put_message(id, sentence);
    sync();
    UnitRecord record;
    record.state = state;
    record.attempt = records.at(static_cast<std::size_t>(id)).attempt;
    put_record(id, record);
  }

  std::string path;
  const Plan& plan;
  const SweepSpec& spec;
  Handle file, transfer;
  std::optional<Slabs> slabs;
  int descriptor = -1;
  bool leaders = true, mixed = false;
  std::atomic<bool> unsynced = false;
  std::mutex syncing;
  std::string sync_error;
  std::uint32_t launch = 0;
  std::vector<UnitRecord> records;
};

ResultFile::ResultFile(const std::string& path, const Plan& plan, const SweepSpec& spec, const Communicator& members,
                       bool mixed_identity, bool rank_0_writes)
    : open_(std::make_unique<Open>(path, plan, spec)) {
  start_hdf5();
  const Doing doing(path);
  Open& o = *open_;
  o.mixed = mixed_identity;
  o.descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const std::vector<int> errors = from_all(mpi_handle(members), o.descriptor < 0 ? errno : 0);
  for (std::size_t i = 0; i < errors.size(); ++i)
    if (errors[i] != 0)
      fail_together(members.rank() == static_cast<int>(i),
                    fmt::format("{}: cannot be opened for writing by member {} of {} ({})", path, i, errors.size(),
                                std::strerror(errors[i])));
  check_same_file(path, members);
  const std::vector<int> may = from_all(mpi_handle(members), !rank_0_writes && store::leaders_write(path) ? 1 : 0);
  o.leaders = std::all_of(may.begin(), may.end(), [](int yes) { return yes == 1; });
  if (!o.leaders && members.rank() != 0) return;
  o.file = open_over_mpi(doing, path, o.leaders ? mpi_handle(members) : MPI_COMM_SELF);
  o.transfer = independent_transfer(doing);
  o.slabs.emplace(doing, o.file.id(), o.transfer.id());
  if (members.rank() == 0)
    o.records = o.read<UnitRecord>("/sched/units", ElementType::UnitRecord, 0, plan.units.size());
}

ResultFile::~ResultFile() = default;

void ResultFile::close() {
  Open& o = *open_;
  if (o.slabs) o.slabs->close();
  o.slabs.reset();
  o.transfer.close();
  if (o.file && !o.file.close()) hdf5_failed(ExitCode::Failed, o.path, "closing");
}

bool ResultFile::leaders_write() const { return open_->leaders; }

void ResultFile::write_activations(int unit, std::span<const float> activations) {
  Open& o = *open_;
  const Unit& u = o.unit(unit, UnitKind::Extract, "activations");
  const std::string dataset = activations_group(o.spec, o.plan.models.at(u.model), u.target) + "/activations";
  const auto first = static_cast<std::uint64_t>(u.first), rows = static_cast<std::uint64_t>(u.count);
  if (o.spec.activations != ActivationStore::Float16) {
    o.write(dataset, ElementType::F32, first, rows, activations);
    return;
  }
  std::vector<std::uint16_t> half(activations.size());
  std::transform(activations.begin(), activations.end(), half.begin(), float_to_float16);
  o.write(dataset, ElementType::F16, first, rows, std::span<const std::uint16_t>(half));
}

void ResultFile::write_evaluation(int unit, const EvaluationRows& r) {
  Open& o = *open_;
  const Unit& u = o.unit(unit, UnitKind::Evaluate, "probabilities");
  const std::string run = o.run_of(u);
  const auto first = static_cast<std::uint64_t>(u.first), rows = static_cast<std::uint64_t>(u.count);
  o.write(run + "letter_logprob", ElementType::F64, first, rows, r.letter_logprob);
  o.write(run + "top_token", ElementType::I32, first, rows, r.top_token);
  o.write(run + "top_logprob", ElementType::F64, first, rows, r.top_logprob);
  o.write(run + "baseline_logprob", ElementType::F64, first, rows, r.baseline_logprob);
  o.write(run + "baseline_top_token", ElementType::I32, first, rows, r.baseline_top_token);
  o.write(run + "baseline_top_logprob", ElementType::F64, first, rows, r.baseline_top_logprob);
}

void ResultFile::sync() { open_->sync(); }

void ResultFile::add_launch(LaunchRecord launch) {
  Open& o = *open_;
  const auto known = o.read<LaunchRecord>("/sched/launches", ElementType::LaunchRecord, 0, kLaunches);
  const auto free = std::find_if(known.begin(), known.end(), [](const LaunchRecord& l) { return l.started == 0; });
  o.launch = static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(free - known.begin(), kLaunches - 1));
  o.write("/sched/launches", ElementType::LaunchRecord, o.launch, 1, std::span<const LaunchRecord>(&launch, 1));
  o.sync();
}

const std::vector<UnitRecord>& ResultFile::records() const { return open_->records; }

void ResultFile::begin(int unit, std::uint32_t attempt) {
  UnitRecord record;
  record.attempt = attempt;
  open_->put_record(unit, record);
}

void ResultFile::note_death(int unit, std::uint32_t attempt) {
  UnitRecord record;
  record.attempt = attempt;
  record.flags = kFlagWorkerDied;
  open_->put_record(unit, record);
}

std::uint32_t ResultFile::ranks_of_launch(int unit) const {
  const std::uint32_t launch = records().at(static_cast<std::size_t>(unit)).launch;
  if (launch >= kLaunches) return 0;
  return open_->read<LaunchRecord>("/sched/launches", ElementType::LaunchRecord, launch, 1)[0].ranks;
}

void ResultFile::write_block(int unit, const BlockRows& r) {
  Open& o = *open_;
  const std::string group = o.vectors_of(o.unit(unit, UnitKind::Extract, "block sums"));
  const std::uint64_t block = o.block_of(unit);
  o.write(group + "block_sums", ElementType::F64, block, 1, r.sums);
  o.write(group + "block_norm_sums", ElementType::F64, block, 1, r.norm_sums);
}

void ResultFile::write_vectors(int unit, const VectorRows& r) {
  Open& o = *open_;
  const Unit& u = o.unit(unit, UnitKind::Vectors, "vectors");
  const std::string group = o.vectors_of(u);
  const auto layers = static_cast<std::uint64_t>(o.plan.models.at(u.model).facts.shape.n_layers);
  o.write(group + "mean", ElementType::F32, 0, layers, r.mean);
  o.write(group + "scale", ElementType::F64, 0, layers, r.scale);
  o.write(group + "mean_norm", ElementType::F64, 0, layers, r.mean_norm);
  o.write(group + "residual_norm", ElementType::F64, 0, layers, r.residual_norm);
}

void ResultFile::commit(int unit, const Completion& c) {
  Open& o = *open_;
  o.sync();
  UnitRecord record;
  record.state = UnitState::Done;
  record.attempt = o.records.at(static_cast<std::size_t>(unit)).attempt;
  record.flags = c.flags | (o.mixed ? kFlagMixedIdentity : 0);
  record.crc = c.crc;
  record.started = c.started;
  record.finished = c.finished;
  record.team = c.team;
  record.ranks = c.ranks;
  o.put_record(unit, record);
}

void ResultFile::fail(int unit, const std::string& sentence) {
  open_->end_without_result(unit, UnitState::Failed, sentence);
}
void ResultFile::block(int unit, const std::string& sentence) {
  open_->end_without_result(unit, UnitState::Blocked, sentence);
}

Block ResultFile::read_block(int unit) const {
  Open& o = *open_;
  const std::string group = o.vectors_of(o.unit(unit, UnitKind::Extract, "block sums"));
  const std::uint64_t block = o.block_of(unit);
  return {o.read<double>(group + "block_sums", ElementType::F64, block, 1),
          o.read<double>(group + "block_norm_sums", ElementType::F64, block, 1),
          {}};
}

Vectors ResultFile::read_vectors(int unit) const {
  Open& o = *open_;
  const Unit& u = o.unit(unit, UnitKind::Vectors, "vectors");
  const std::string group = o.vectors_of(u);
  const auto layers = static_cast<std::uint64_t>(o.plan.models.at(u.model).facts.shape.n_layers);
  return {o.read<float>(group + "mean", ElementType::F32, 0, layers),
          o.read<double>(group + "scale", ElementType::F64, 0, layers),
          o.read<double>(group + "mean_norm", ElementType::F64, 0, layers),
          o.read<double>(group + "residual_norm", ElementType::F64, 0, layers)};
}

Evaluation ResultFile::read_evaluation(int unit) const {
  Open& o = *open_;
  const Unit& u = o.unit(unit, UnitKind::Evaluate, "probabilities");
  const std::string run = o.run_of(u);
  const auto first = static_cast<std::uint64_t>(u.first), rows = static_cast<std::uint64_t>(u.count);
  return {o.read<double>(run + "letter_logprob", ElementType::F64, first, rows),
          o.read<std::int32_t>(run + "top_token", ElementType::I32, first, rows),
          o.read<double>(run + "top_logprob", ElementType::F64, first, rows),
          o.read<double>(run + "baseline_logprob", ElementType::F64, first, rows),
          o.read<std::int32_t>(run + "baseline_top_token", ElementType::I32, first, rows),
          o.read<double>(run + "baseline_top_logprob", ElementType::F64, first, rows)};
}

}  // namespace steergrid::store
