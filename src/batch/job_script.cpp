#include "batch/job_script.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "batch/job_body.h"
#include "batch/shell_quote.h"
#include "spec/problems.h"

namespace steergrid {
namespace {

constexpr int kReportMinutes = 60, kReportMiB = 4096;

class Directives {
 public:
  void add(std::string_view option) { text_ += fmt::format("#SBATCH --{}\n", option); }
  void add(std::string_view option, std::string_view value) {
    if (!value.empty()) text_ += fmt::format("#SBATCH --{}={}\n", option, directive_quote(value));
  }
  void add(std::string_view option, std::int64_t value) { text_ += fmt::format("#SBATCH --{}={}\n", option, value); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// A folder in a pattern of --output, where % means something.
std::string in_pattern(const std::string& folder) {
  std::string out;
  for (const char c : folder) out += c == '%' ? std::string("%%") : std::string(1, c);
  return out;
}

void add_common(Directives& d, const JobText& text, const SiteProfile& site, const std::string& name,
                const std::string& partition) {
  const bool array = text.specs.size() > 1;
  d.add("job-name", name);
  d.add("partition", partition);
  d.add("account", site.account);
  d.add("qos", site.qos);
  if (array) d.add("array", fmt::format("0-{}", text.specs.size() - 1));
  d.add("output", fmt::format("{}/{}-{}.log", in_pattern(text.log_folder), in_pattern(name), array ? "%A_%a" : "%j"));
  d.add("open-mode", "append");
}

std::string array_of(std::string_view name, const std::vector<std::string>& values) {
  std::string text = fmt::format("{}=(", name);
  for (std::size_t i = 0; i < values.size(); ++i)
    text += (i == 0 ? "" : values.size() > 1 ? "\n  " : " ") + shell_quote(values[i]);
  return text + ")\n";
}

std::string surroundings(const SiteProfile& site) {
  std::string text;
  for (const std::string& module : site.modules) text += fmt::format("module load {}\n", shell_quote(module));
  for (const auto& [name, value] : site.environment) text += fmt::format("export {}={}\n", name, shell_quote(value));
  if (!site.scratch.empty()) text += fmt::format("export TMPDIR={}\n", shell_quote(site.scratch));
  return text;
}

/// One word of a launcher template; {ranks}, {hosts} and {slots} become the script's variables.
std::string launcher_word(std::string word) {
  std::string out;
  while (!word.empty()) {
    std::size_t at = word.size(), length = 0;
    std::string_view variable;
    for (const std::string_view name : {"ranks", "hosts", "slots"}) {
      const std::size_t found = word.find(fmt::format("{{{}}}", name));
      if (found < at) at = found, length = name.size() + 2, variable = name;
    }
    if (at > 0) out += shell_quote(word.substr(0, at));
    if (length > 0) out += fmt::format("\"${}\"", variable);
    word.erase(0, at + length);
  }
  return out;
}

std::string launch_function(const std::string& launcher) {
  std::istringstream words(launcher);
  std::string line, first, word;
  while (words >> word) {
    if (first.empty()) first = word.substr(word.rfind('/') + 1);
    line += " " + launcher_word(word);
  }
  if (launcher.find("{ranks}") == std::string::npos) {
    // -m arbitrary seats ranks as SLURM_HOSTFILE lists them; a rank's exit code 75 must not kill the others.
    if (first == "srun")
      line += " --kill-on-bad-exit=0 -n \"$ranks\" -m arbitrary";
    else if (first == "mpirun" || first == "mpiexec")
      line += " -n \"$ranks\" --hostfile \"$slots\"";
    else
      bad_input("launcher: expected 'srun ...', 'mpirun ...' or a template with {{ranks}}, found {}",
                in_quotes(launcher));
  }
  return fmt::format("launch() {{ exec{} \"$@\"; }}\n", line);
}

}  // namespace

std::string sweep_script(const JobText& text, const JobRequest& request, const SiteProfile& site) {
  Directives d;
  add_common(d, text, site, text.name, site.partition);
  d.add("constraint", site.constraint);
  d.add("nodes", request.nodes);
  d.add("ntasks-per-node", request.tasks_per_node());
  if (request.gpus && site.gres.empty()) d.add("gpus-per-node", request.workers);
  if (request.gpus && !site.gres.empty()) d.add("gres", fmt::format("{}:{}", site.gres, request.workers));
  d.add("cpus-per-task", request.cores);
  d.add("mem", fmt::format("{}M", request.memory_mib));
  d.add("time", request.minutes);
  d.add("signal", fmt::format("B:USR1@{}", request.signal_lead));
  d.add("requeue");
  std::string out =
      "#!/bin/bash\n# Written by steergrid submit. Edit it and submit it again with sbatch if you like.\n";
  out += d.text();
  out += fmt::format("steergrid={}\n", shell_quote(text.program));
  out += array_of("specs", text.specs) + array_of("outputs", text.outputs) + array_of("run_options", text.run_options);
  out += fmt::format("workers={}  # a node{}\n", request.workers, request.gpus ? ", one a GPU" : "");
  out += surroundings(site) + launch_function(site.launcher) + "\n";
  return out += job_body();
}

std::string report_folder(const std::string& output) {
  return (output.ends_with(".h5") ? output.substr(0, output.size() - 3) : output) + "-report";
}

std::string report_script(const JobText& text, const SiteProfile& site) {
  Directives d;
  add_common(d, text, site, text.name + "-report",
             site.report_partition.empty() ? site.partition : site.report_partition);
  d.add("ntasks", 1);
  d.add("cpus-per-task", 1);
  d.add("mem", fmt::format("{}M", kReportMiB));
  d.add("time", kReportMinutes);
  std::vector<std::string> folders;
  for (const std::string& output : text.outputs) folders.push_back(report_folder(output));
  std::string out = "#!/bin/bash\n# Written by steergrid submit: the report of a finished sweep.\n" + d.text();
  out += array_of("outputs", text.outputs) + array_of("folders", folders) + surroundings(site);
  out += "task=${SLURM_ARRAY_TASK_ID:-0}\n";
  out += fmt::format("exec {} report \"${{outputs[task]}}\" -o \"${{folders[task]}}\"\n", shell_quote(text.program));
  return out;
}

}  // namespace steergrid
