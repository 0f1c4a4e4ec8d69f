#include "app/coordinator_side.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "farm/signals.h"

namespace steergrid {
namespace {

constexpr double kLineEvery = 30;  // seconds between plain progress lines

int terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100;
}

const std::string& target_name(const SweepSpec& spec, const ModelPlan& plan, const Unit& unit) {
  const auto target = static_cast<std::size_t>(unit.target);
  return unit.kind == UnitKind::Evaluate ? spec.runs[static_cast<std::size_t>(plan.runs[target].run)].name
                                         : spec.vectors[static_cast<std::size_t>(plan.vectors[target].source)].name;
}

store::VectorRows rows_of(const SteeringVectors& v) { return {v.mean, v.scale, v.mean_norm, v.residual_norm}; }

}  // namespace

/// The progress line at the bottom of a terminal. As the log's first sink it writes nothing, but takes the line away
/// for what the log is about to say there; the next `show` brings it back.
class CoordinatorSide::LiveLine final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  /// From the main thread, before there is much that logs.
  static std::shared_ptr<LiveLine> before_the_log() {
    auto line = std::make_shared<LiveLine>();
    auto& sinks = spdlog::default_logger()->sinks();
    if (!sinks.empty()) line->set_level(sinks.front()->level());  // the terminal's: see start_log
    sinks.insert(sinks.begin(), line);
    return line;
  }

  void show(const std::string& text) {
    const std::lock_guard lock(mutex_);
    put("\r" + text + "\033[K");
    shown_ = true;
  }
  /// What is shown stays; what is written next begins a line.
  void end() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(shown_, false)) put("\n");
  }

 private:
  void sink_it_(const spdlog::details::log_msg&) override {
    if (std::exchange(shown_, false)) put("\r\033[K");
  }
  void flush_() override {}
  static void put(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  }

  bool shown_ = false;
};

CoordinatorSide::CoordinatorSide(const Prepared& prepared, store::ResultFile& file, bool live, bool logged)
    : prepared_(prepared), file_(file), logged_(logged), last_line_(monotonic_seconds()) {
  if (live) live_ = LiveLine::before_the_log();
  for (const ModelPlan& m : prepared.plan.models)
    names_.push_back(prepared.spec.models[static_cast<std::size_t>(m.model)].name);
  calls_ = {.begin = [this](int unit, std::uint32_t attempt) { begin(unit, attempt); },
            .payload = [this](int unit) { return payload(unit); },
            .commit = [this](const Finished& done) { commit(done); },
            .run_vectors = [this](int unit, std::uint32_t) { run_vectors(unit); },
            .failed =
                [this](int unit, const std::string& why) {
                  spdlog::error("unit {} failed: {}", unit, why);
                  file_.fail(unit, why);
                },
            .blocked = [this](int unit, int because_of) { block(unit, because_of); },
            .released =
                [this](int unit, std::uint32_t attempt) {
                  attempt > 0 ? file_.note_death(unit, attempt) : file_.begin(unit, attempt);  // of attempts before
                },
            .died = [this](int unit, std::uint32_t attempt) { file_.note_death(unit, attempt); },
            .lost = {},  // these two are the lifelines' business (sweep.cpp)
            .dismiss = {},
            .stop_requested = stop_signal_arrived,
            .progress = [this](const Snapshot& s) { show(s); }};
}

CoordinatorSide::~CoordinatorSide() {
  if (live_) live_->end();
}

std::vector<UnitRecord> CoordinatorSide::records(bool retry) {
  std::vector<UnitRecord> records(file_.records().size());
  // From the last: what depends on a unit comes after it, so a kill half-way forgets no cause before its consequences.
  for (std::size_t i = records.size(); i-- > 0;) {
    const store::UnitRecord stored = file_.records()[i];
    const bool spoiled = stored.state == store::UnitState::Failed || stored.state == store::UnitState::Blocked ||
                         (stored.flags & store::kFlagBaselineOnly) != 0;
    if (retry && spoiled) {
      file_.begin(static_cast<int>(i), 0);
    } else {
      // Nobody could see a process alone die: there each attempt that never came back counts.
      const bool open = stored.state == store::UnitState::Absent && stored.attempt > 0;
      const bool counts =
          open && ((stored.flags & store::kFlagWorkerDied) != 0 || file_.ranks_of_launch(static_cast<int>(i)) == 1);
      records[i] = {static_cast<UnitRecord::State>(stored.state), stored.attempt, counts};
    }
  }
  return records;
}

void CoordinatorSide::begin(int unit, std::uint32_t attempt) { file_.begin(unit, attempt); }

void CoordinatorSide::block(int unit, int because_of) {
  const Unit& failed = prepared_.plan.units[static_cast<std::size_t>(because_of)];
  const VectorPlan& source =
      prepared_.plan.models[static_cast<std::size_t>(failed.model)].vectors[static_cast<std::size_t>(failed.target)];
  const std::string why = fmt::format("blocked: extract of {} failed (pairs {} to {})",
                                      prepared_.spec.vectors[static_cast<std::size_t>(source.source)].name,
                                      failed.first, failed.first + failed.count - 1);
  spdlog::warn("unit {}: {}", unit, why);
  file_.block(unit, why);
}

std::uint32_t CoordinatorSide::inherited_flags(const ModelPlan& plan, const Unit& unit) const {
  std::vector<int> inputs;
  if (unit.kind == UnitKind::Vectors) {
    std::vector<int> sources = plan.normalize_over;
    sources.push_back(unit.target);
    for (const int source : sources) {
      const auto& blocks = plan.vectors[static_cast<std::size_t>(source)].blocks;
      inputs.insert(inputs.end(), blocks.begin(), blocks.end());
    }
  } else if (unit.kind == UnitKind::Evaluate) {
    const RunPlan& run = plan.runs[static_cast<std::size_t>(unit.target)];
    inputs.push_back(plan.vectors[static_cast<std::size_t>(run.vectors)].unit);
  }
  std::uint32_t flags = 0;
  for (const int input : inputs) flags |= file_.records()[static_cast<std::size_t>(input)].flags;
  return flags & store::kFlagMixedIdentity;
}

void CoordinatorSide::commit(const Finished& done) {
  const Unit& unit = prepared_.plan.units[static_cast<std::size_t>(done.unit)];
  const ModelPlan& plan = prepared_.plan.models[static_cast<std::size_t>(unit.model)];
  if (unit.kind == UnitKind::Extract) {
    const store::Block block = store::decode_block(done.bytes);
    file_.write_block(done.unit, block.rows());
    if (!block.activations.empty()) file_.write_activations(done.unit, block.activations);
  } else if (!done.bytes.empty()) {
    file_.write_evaluation(done.unit, store::decode_evaluation(done.bytes).rows());
  }
  file_.commit(done.unit, {.crc = done.crc,
                           .flags = done.flags | inherited_flags(plan, unit),
                           .started = done.started,
                           .finished = done.finished,
                           .team = static_cast<std::uint32_t>(done.team),
                           .ranks = static_cast<std::uint32_t>(done.ranks)});
  spdlog::debug("unit {} done: {} of {} on {}, items {}-{}, attempt {}, team {} (rank {}), {:.3f} s", done.unit,
                name_of(unit.kind), target_name(prepared_.spec, plan, unit),
                names_[static_cast<std::size_t>(unit.model)], unit.first, unit.first + unit.count - 1, done.attempt,
                done.team, done.leader, seconds_between(done.started, done.finished));
}

const SteeringVectors& CoordinatorSide::raw(int model, int target) {
  const auto [at, fresh] = raw_.try_emplace({model, target});
  if (!fresh) return at->second;
  const ModelPlan& plan = prepared_.plan.models[static_cast<std::size_t>(model)];
  const VectorPlan& source = plan.vectors[static_cast<std::size_t>(target)];
  DifferenceSums sums(static_cast<std::size_t>(plan.facts.shape.n_layers),
                      static_cast<std::size_t>(plan.facts.shape.hidden));
  for (const int unit : source.blocks) {
    const store::Block block = file_.read_block(unit);
    sums.add(block.sums, block.norm_sums);
  }
  at->second = mean_vectors(sums, source.items);
  return at->second;
}

void CoordinatorSide::run_vectors(int id) {
  const std::int64_t started = wall_ns();
  const Unit& unit = prepared_.plan.units[static_cast<std::size_t>(id)];
  const ModelPlan& plan = prepared_.plan.models[static_cast<std::size_t>(unit.model)];
  std::vector<std::vector<double>> norms;
  for (const int other : plan.normalize_over) norms.push_back(raw(unit.model, other).mean_norm);
  SteeringVectors vectors = raw(unit.model, unit.target);
  vectors.scale = equal_norm_scale(vectors.mean_norm, norms);
  const store::VectorRows rows = rows_of(vectors);
  file_.write_vectors(id, rows);
  const auto finite = [](double x) { return std::isfinite(x); };
  const bool all_finite =
      std::ranges::all_of(vectors.mean_norm, finite) && std::ranges::all_of(vectors.residual_norm, finite);
  file_.commit(id, {.crc = store::checksum_of(rows),
                    .flags = inherited_flags(plan, unit) | (all_finite ? 0 : store::kFlagNotFinite),
                    .started = started,
                    .finished = wall_ns()});
}

std::vector<std::byte> CoordinatorSide::payload(int vectors_unit) {
  const store::Vectors stored = file_.read_vectors(vectors_unit);
  return encode(SteeringVectors{stored.mean, stored.mean_norm, stored.residual_norm, stored.scale});
}

void CoordinatorSide::show(const Snapshot& snapshot) {
  if (over_) return;
  const bool over = over_ = snapshot.total().ended() == snapshot.total().units;
  if (live_) {
    live_->show(live_line(snapshot, names_, terminal_width()));
    if (over) live_->end();
  }
  const double now = monotonic_seconds();
  if (!over && now - last_line_ < kLineEvery) return;
  last_line_ = now;
  if (!live_ || logged_) spdlog::info("{}", plain_line(snapshot, names_));
}

}  // namespace steergrid
