#include "batch/job_request.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace steergrid {
namespace {

constexpr double kMargin = 1.5;  // on the estimate
constexpr double kStart = 120;   // seconds to launch, open files and read specs
constexpr double kStop = 120;    // seconds: Slurm may send the signal a minute early
constexpr std::int64_t kLeastMinutes = 10;
constexpr std::int64_t kMostLead = 65535;  // what --signal takes
constexpr double kMemoryMargin = 1.25;
constexpr double kMiB = 1 << 20;
constexpr double kCoordinatorMiB = 512;
constexpr double kGpuWorkerMiB = 1024;  // a process with CUDA and MPI, besides what it loads from

double flops_of_worker(const SiteProfile& site) {
  return 1e12 * (site.has_gpus() ? site.gpu_tflops : site.core_tflops * site.cores_per_worker);
}

template <class Value>
auto largest(const std::vector<SweepDemand>& sweeps, const Value& value) {
  decltype(value(ModelDemand{})) most{};
  for (const SweepDemand& sweep : sweeps)
    for (const ModelDemand& model : sweep.models) most = std::max(most, value(model));
  return most;
}

/// Workers that the sweeps can keep busy at once.
int useful_workers(const std::vector<SweepDemand>& sweeps) {
  return static_cast<int>(largest(sweeps, [](const ModelDemand& m) {
    return std::min<std::int64_t>(1 << 20, std::int64_t{m.degree} * std::max(1, m.units));
  }));
}

/// Seconds for one model: its units shared by the teams, but no less than the longest; and reading it, once for all or,
/// streamed, by each team.
double seconds_of(const ModelDemand& m, int workers, const SiteProfile& site) {
  const double rate = flops_of_worker(site) * m.degree;
  const int teams = std::clamp(workers / m.degree, 1, std::max(1, m.units));
  const int reads = m.streamed ? 2 * teams : 1;
  return std::max(m.flops / (rate * teams), m.longest_unit / rate) +
         reads * static_cast<double>(m.weights) / (site.disk_gbps * 1e9);
}

double seconds_of(const std::vector<SweepDemand>& sweeps, int workers, const SiteProfile& site) {
  double most = 0;
  for (const SweepDemand& sweep : sweeps) {
    double seconds = 0;
    for (const ModelDemand& model : sweep.models) seconds += seconds_of(model, workers, site);
    most = std::max(most, seconds);
  }
  return most;
}

std::int64_t memory_mib(const std::vector<SweepDemand>& sweeps, int workers, const SiteProfile& site) {
  if (site.memory_mib) return *site.memory_mib;
  // A worker with a GPU only reads into this memory; one without computes where it holds everything.
  const double worker =
      site.has_gpus()
          ? kGpuWorkerMiB +
                largest(sweeps, [](const ModelDemand& m) { return static_cast<double>(m.host_buffers) / kMiB; })
          : largest(sweeps, [](const ModelDemand& m) { return static_cast<double>(m.rank_bytes) / kMiB; });
  const double all = kMemoryMargin * (kCoordinatorMiB + worker * workers);
  return static_cast<std::int64_t>(std::ceil(all / 256)) * 256;
}

/// Seconds a job is asked for so that the sweeps end in it.
double wanted(const JobRequest& r) {
  return kMargin * r.estimate + kStart + kStop + static_cast<double>(r.signal_lead);
}

void check_time(const JobRequest& r, std::int64_t limit) {
  const double least = r.longest_unit + static_cast<double>(r.signal_lead);
  if (static_cast<double>(limit) <= least)
    bad_input(
        "the longest unit takes about {:.0f} s, so a job needs more than {:.0f} s, found a limit of {} s: allow more "
        "time or make units smaller (the spec's `units`)",
        r.longest_unit, std::ceil(least), limit);
}

}  // namespace

int workers_for(int offered, int degree) {
  for (int workers = offered; workers > 1; --workers)
    if (workers % degree == 0 || degree % workers == 0) return workers;
  return 1;
}

JobRequest request_for(const std::vector<SweepDemand>& sweeps, const SiteProfile& site, const FixedRequest& fixed) {
  const int degree = std::max(1, largest(sweeps, [](const ModelDemand& m) { return m.degree; }));
  const int useful = std::max(degree, useful_workers(sweeps));
  const int offered = site.has_gpus() ? site.gpus_per_node : site.workers_per_node;
  JobRequest r;
  r.gpus = site.has_gpus();
  r.workers = workers_for(std::min(offered, useful), degree);
  const int least_nodes = (degree + r.workers - 1) / r.workers;
  const int most_nodes = std::max(least_nodes, fixed.nodes.value_or(site.max_nodes));
  if (fixed.nodes.value_or(site.max_nodes) < least_nodes)
    bad_input(
        "one copy of the largest model takes {} ranks, that is {} nodes of {} worker(s); expected as many, found {}",
        degree, least_nodes, r.workers, fixed.nodes.value_or(site.max_nodes));
  r.cores = site.cores_per_worker;
  r.longest_unit =
      largest(sweeps, [&](const ModelDemand& m) { return m.longest_unit / (flops_of_worker(site) * m.degree); });
  r.signal_lead = static_cast<std::int64_t>(std::min<double>(kMostLead, std::ceil(2 * r.longest_unit) + 60));

  const std::int64_t limit = fixed.seconds.value_or(site.max_seconds);
  check_time(r, limit);
  for (r.nodes = fixed.nodes.value_or(least_nodes);; ++r.nodes) {
    r.estimate = seconds_of(sweeps, r.nodes * r.workers, site);
    const bool more_help = r.nodes < most_nodes && (r.nodes + 1) * r.workers <= useful;
    if (wanted(r) <= static_cast<double>(limit) || !more_help) break;
  }
  const double seconds = fixed.seconds ? static_cast<double>(limit) : std::min(wanted(r), static_cast<double>(limit));
  r.minutes =
      std::max(fixed.seconds ? 1 : std::min(kLeastMinutes, limit / 60), static_cast<std::int64_t>(seconds / 60));
  r.memory_mib = memory_mib(sweeps, r.workers, site);
  return r;
}

}  // namespace steergrid
