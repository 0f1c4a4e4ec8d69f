// What a site is like, kept out of sweeps: partition and account, GPUs a node, how fast they and the disk are, how
// ranks are launched. Read from a YAML file (slurm/site.example.yaml names every key); command-line options win over
// it. Arithmetic with it is job_request's, text made of it job_script's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace steergrid {

struct SiteProfile {
  std::string partition, account, qos, constraint;  // empty: the site's default
  std::string report_partition;                     // of the report job, which needs no GPU; empty: as `partition`

  int gpus_per_node = 0;    // 0: no GPUs, workers compute on CPUs
  double gpu_memory = 80;   // GB of one
  double gpu_tflops = 100;  // what one sustains in large products
  std::string gres;         // as "gpu:a100"; empty: --gpus-per-node is used

  int workers_per_node = 1;  // where there are no GPUs
  int cores_per_worker = 4;
  double core_tflops = 0.05;  // what a core sustains

  int max_nodes = 1;
  std::int64_t max_seconds = 24 * 3600;    // of one job
  std::optional<std::int64_t> memory_mib;  // of a node; 0: all of it; absent: from the plan
  double disk_gbps = 1;                    // GB/s that a node reads checkpoints with

  std::vector<std::string> modules;
  std::string launcher = "srun --mpi=pmix";
  std::vector<std::pair<std::string, std::string>> environment;
  std::string scratch;  // a folder that every node has; becomes TMPDIR

  bool has_gpus() const { return gpus_per_node > 0; }
};

/// Throws Error (bad input) with all problems of the file, "file:line:column: key: expected ..., found ...".
SiteProfile read_site_profile(const std::string& file);

/// A word that Slurm takes for a partition, account, quality of service, constraint or generic resource. Throws Error
/// (bad input) that names `what`.
void check_slurm_word(const std::string& what, const std::string& word);

/// "90" (minutes), "2:30:00" or "1-12:00:00", as Slurm writes them; nullopt: something else, or nothing that is above
/// 0.
std::optional<std::int64_t> seconds_of(std::string_view text);

}  // namespace steergrid
