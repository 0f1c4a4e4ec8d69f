// steergrid submit: works out what a sweep needs, writes the batch script beside its output and gives it to Slurm, with
// a report job behind it. Plans only: no MPI, no GPU, so a login node will do. The arithmetic and the text are batch's.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>

#include "app/commands.h"
#include "app/memory_options.h"
#include "app/output_outlook.h"
#include "app/prepare.h"
#include "base/log.h"
#include "batch/job_script.h"
#include "batch/slurm.h"
#include "kernels/backend.h"
#include "plan/fit.h"
#include "plan/print.h"

namespace steergrid {
namespace {

namespace fs = std::filesystem;

struct SubmitOptions {
  std::vector<std::string> specs;
  std::string profile, partition, account, qos, constraint, time, launcher, name, script, run_options;
  int nodes = 0, gpus_per_node = -1;
  std::int64_t memory_gb = -1;
  bool dry_run = false, no_report = false;
};

void take(const std::string& flag, const std::string& value, std::string& target) {
  if (value.empty()) return;
  check_slurm_word(flag, value);
  target = value;
}

/// The profile's file; empty: none was named.
std::string profile_of(const SubmitOptions& o) {
  const char* chosen = std::getenv("STEERGRID_PROFILE");
  return !o.profile.empty() ? o.profile : chosen != nullptr ? chosen : "";
}

/// The profile, with the command line over it.
SiteProfile site_of(const SubmitOptions& o) {
  const std::string file = profile_of(o);
  SiteProfile site = file.empty() ? SiteProfile{} : read_site_profile(file);
  take("--partition", o.partition, site.partition);
  take("--account", o.account, site.account);
  take("--qos", o.qos, site.qos);
  take("--constraint", o.constraint, site.constraint);
  if (!o.launcher.empty()) site.launcher = o.launcher;
  if (o.gpus_per_node >= 0) site.gpus_per_node = o.gpus_per_node;
  if (o.memory_gb >= 0) site.memory_mib = o.memory_gb * 1'000'000'000 / (1 << 20);
  return site;
}

FixedRequest fixed_by(const SubmitOptions& o) {
  FixedRequest fixed;
  if (o.nodes > 0) fixed.nodes = o.nodes;
  if (o.time.empty()) return fixed;
  fixed.seconds = seconds_of(o.time);
  if (!fixed.seconds) bad_input("--time: expected minutes, H:MM:SS or D-HH:MM:SS, found '{}'", o.time);
  return fixed;
}

/// What `tensor_parallel: auto` looks at: the site's GPUs, as many as the largest team may have.
GpuChoice gpus_of(const SiteProfile& site) {
  if (!site.has_gpus()) return std::nullopt;
  return Devices{static_cast<std::int64_t>(site.gpu_memory * 1e9), std::end(kDegrees)[-1]};
}

SweepDemand demand(const Prepared& p, const GpuChoice& gpus) {
  std::vector<ModelCost> costs;
  std::vector<MemoryModel> memory;
  std::vector<bool> streamed;
  for (std::size_t m = 0; m < p.plan.models.size(); ++m) {
    const ModelPlan& model = p.plan.models[m];
    const std::int64_t rows = std::min(kRowsInFlight, most_rows(p.plan, model, p.tokens[m]));
    costs.push_back(cost_of(p.plan, model, p.tokens[m]));
    const MemoryOptions options = memory_options(gpus.has_value(), rows);
    memory.push_back(memory_of(model.facts, options));
    const WeightsIn where = p.spec.models[static_cast<std::size_t>(model.model)].weights;
    const auto fit = [&] {
      return fit_of(model.facts, options, where, model.facts.tensor_parallel, usable(gpus->memory));
    };
    streamed.push_back(gpus ? fit().streamed : where == WeightsIn::Stream);  // a host's memory is not in the profile
  }
  return demand_of(p.spec, p.plan, costs, memory, streamed);
}

/// The sweeps of one submission.
struct Sweeps {
  std::vector<SweepDemand> demands;
  JobText text;
};

Sweeps read_sweeps(const SubmitOptions& o, const SiteProfile& site) {
  Sweeps sweeps;
  std::set<std::string> outputs;
  for (const std::string& file : o.specs) {
    const Prepared p = prepare(file, Look::AtEverything, false, std::nullopt, gpus_of(site));
    const SweepSpec& spec = p.spec;
    if (!outputs.insert(spec.output).second)
      bad_input("{}: expected an output of its own, found {} again", file, spec.output);
    check_existing_output(p);
    sweeps.demands.push_back(demand(p, gpus_of(site)));
    sweeps.text.specs.push_back(spec.file);
    sweeps.text.outputs.push_back(spec.output);
    if (sweeps.text.name.empty()) sweeps.text.name = spec.name;
  }
  if (o.specs.size() > 1) sweeps.text.name += fmt::format("-and-{}-more", o.specs.size() - 1);
  if (!o.name.empty()) {
    check_slurm_word("--name", o.name);
    sweeps.text.name = o.name;
  }
  std::istringstream words(o.run_options);
  for (std::string word; words >> word;) sweeps.text.run_options.push_back(word);
  sweeps.text.program = fs::read_symlink("/proc/self/exe").string();
  sweeps.text.log_folder = fs::path(sweeps.text.outputs[0]).parent_path().string();
  return sweeps;
}

void explain(std::ostream& out, const JobRequest& r, const JobText& text, bool profile) {
  out << fmt::format("{} on {} node(s): a coordinator and {} worker(s) a node{}, {} ranks\n", text.name, r.nodes,
                     r.workers, r.gpus ? ", one a GPU" : "", r.ranks());
  out << fmt::format("asks for {} min, {} a node; signal {} s before the end\n", r.minutes,
                     r.memory_mib == 0 ? "all memory" : human_bytes(r.memory_mib << 20), r.signal_lead);
  out << fmt::format("estimate {} of work, longest unit {:.1f} s (from {} speeds, not measured)\n",
                     r.estimate < 60 ? fmt::format("{:.0f} s", r.estimate) : fmt::format("{:.1f} h", r.estimate / 3600),
                     r.longest_unit, profile ? "the profile's" : "default");
}

void write_script(const std::string& path, const std::string& text) {
  std::error_code ignored;  // what is wrong shows when the file is opened
  fs::create_directories(fs::path(path).parent_path(), ignored);
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) failed("{}: the batch script cannot be written", path);
  fs::permissions(path, fs::perms::owner_exec, fs::perm_options::add, ignored);
}

/// Slurm writes no log into a folder that is not there, and the job's files lie beside the outputs.
void make_folders(const JobText& text) {
  std::error_code ignored;  // what is wrong shows when a file is opened
  fs::create_directories(text.log_folder, ignored);
  for (const std::string& output : text.outputs) fs::create_directories(fs::path(output).parent_path(), ignored);
}

/// The job is there, whether or not this can be written.
void remember_job(const std::string& output, const std::string& id) try {
  write_job_file(output, id);
} catch (const Error& e) {
  tell_user(fmt::format("warning: `steergrid status` will not know of the job: {}", e.what()));
}

/// Submits both scripts; remembers the job beside each output, so that `status` can ask for it.
void submit(const std::string& script, const std::string& report, const JobText& text) {
  const bool array = text.outputs.size() > 1;
  const std::string id = submit_script(script, {});
  fmt::print("job {} submitted: {}\n", id, script);
  for (std::size_t i = 0; i < text.outputs.size(); ++i)
    remember_job(text.outputs[i], array ? fmt::format("{}_{}", id, i) : id);
  if (!report.empty()) {
    const std::string after = submit_script(
        report, {fmt::format("--dependency={}:{}", array ? "aftercorr" : "afterok", id), "--kill-on-invalid-dep=yes"});
    fmt::print("job {} writes the report once it has succeeded: {}\n", after, report);
  }
  fmt::print("watch   steergrid status {}\n        tail -F {}/{}-{}.log\n        squeue -j {}\ncancel  scancel {}\n",
             text.outputs[0], text.log_folder, text.name, array ? id + "_0" : id, id, id);
}

void run_submit(const SubmitOptions& o) {
  const SiteProfile site = site_of(o);
  const FixedRequest fixed = fixed_by(o);
  const Sweeps sweeps = read_sweeps(o, site);
  const JobRequest request = request_for(sweeps.demands, site, fixed);
  const std::string script = sweep_script(sweeps.text, request, site);
  const bool profile = !profile_of(o).empty();
  explain(o.dry_run ? std::cerr : std::cout, request, sweeps.text, profile);
  if (!profile && o.gpus_per_node < 0)
    tell_user("warning: no site profile, so the job asks for CPUs only (--profile, or --gpus-per-node: docs/slurm.md)");
  if (request.gpus && !has_cuda_backend())
    tell_user("warning: the job asks for GPUs, but this steergrid has no CUDA backend and would compute on CPUs");
  if (o.dry_run) {
    std::cout << script;
    return;
  }
  std::cout.flush();
  const std::string stem =
      o.specs.size() > 1 ? sweeps.text.log_folder + "/" + sweeps.text.name : sweeps.text.outputs[0];
  const std::string path = o.script.empty() ? stem + ".sbatch" : o.script;
  const std::string report = o.no_report ? "" : stem + ".report.sbatch";
  write_script(path, script);
  make_folders(sweeps.text);
  if (!o.no_report) write_script(report, report_script(sweeps.text, site));
  submit(path, report, sweeps.text);
}

}  // namespace

void add_submit(CLI::App& app, ExitCode&, const Invocation&) {
  const auto o = std::make_shared<SubmitOptions>();
  CLI::App* command = app.add_subcommand("submit", "Write a Slurm batch job for sweeps and submit it");
  command->add_option("specs", o->specs, "The sweeps' YAML files; several become one job array")->required();
  command->add_option("--profile", o->profile, "Site profile (default: $STEERGRID_PROFILE); options here win over it");
  command->add_flag("--dry-run", o->dry_run, "Print the batch script; write and submit nothing");
  command->add_option("--nodes", o->nodes, "Nodes (default: as few as end within the time limit)")
      ->check(CLI::Range(1, 100'000));
  command->add_option("--gpus-per-node", o->gpus_per_node, "GPUs, and workers, a node; 0: CPUs only")
      ->check(CLI::Range(0, 64));
  command->add_option("--time", o->time, "Time limit: minutes, H:MM:SS or D-HH:MM:SS (default: from the plan)");
  command->add_option("--memory", o->memory_gb, "GB a node; 0: all of it (default: from the plan)")
      ->check(CLI::Range(0, 1'000'000));
  command->add_option("--partition", o->partition, "Partition");
  command->add_option("--account", o->account, "Account");
  command->add_option("--qos", o->qos, "Quality of service");
  command->add_option("--constraint", o->constraint, "Features nodes must have");
  command->add_option("--launcher", o->launcher,
                      "'srun ...', 'mpirun ...' or a template with {ranks}, {hosts}, {slots}");
  command->add_option("--name", o->name, "The job's name (default: the sweep's)");
  command->add_option("--script", o->script, "Where to write the batch script (default: OUTPUT.sbatch)");
  command->add_option("--run-options", o->run_options, "Options for `steergrid run`, separated by blanks");
  command->add_flag("--no-report", o->no_report, "No report job behind the sweep");
  command->callback([o] { run_submit(*o); });
}

}  // namespace steergrid
