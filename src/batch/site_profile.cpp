#include "batch/site_profile.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/error.h"
#include "spec/field.h"
#include "spec/text_file.h"

namespace steergrid {
namespace {

constexpr std::size_t kMostBytes = 100'000;
constexpr std::int64_t kMostSeconds = std::int64_t{366} * 24 * 3600;
constexpr std::string_view kSlurmWord = "a word of letters, digits and . _ - : , = & | * ( ) [ ] @ +";

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_slurm_word(std::string_view text) {
  return !text.empty() && text.size() <= 256 && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || std::string_view("._-:,=&|*()[]@+").find(c) != std::string_view::npos;
  });
}

bool is_variable_name(std::string_view text) {
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '_'; });
}

bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// Reads the keys of one map into members of the profile; problems go to the source.
class Reader {
 public:
  explicit Reader(const Fields& fields) : fields_(fields) {}

  void word(std::string_view key, std::string& target) const {
    if (const auto f = fields_.get(key)) {
      if (f->is_scalar() && is_slurm_word(f->node().scalar))
        target = f->node().scalar;
      else
        f->expected(kSlurmWord);
    }
  }
  void line(std::string_view key, std::string& target, std::string_view what) const {
    if (const auto f = fields_.get(key)) target = one_line(*f, what).value_or(target);
  }
  void whole(std::string_view key, int low, int high, int& target) const {
    if (const auto f = fields_.get(key))
      target = static_cast<int>(
          f->integer(low, high, fmt::format("a whole number from {} to {}", low, high)).value_or(target));
  }
  void positive(std::string_view key, double& target, std::string_view what) const {
    const auto f = fields_.get(key);
    const auto value = f ? f->number(what) : std::nullopt;
    if (!value) return;
    if (*value > 0)
      target = *value;
    else
      f->expected(what);
  }
  static std::optional<std::string> one_line(const Field& f, std::string_view what) {
    auto text = f.text(what);
    if (text && is_one_line(*text)) return text;
    if (text) f.expected(fmt::format("{} on one line", what));
    return std::nullopt;
  }

 private:
  const Fields& fields_;
};

void read_gpu(const Field& field, SiteProfile& profile) {
  const Fields fields(field, "what a GPU is like", {"memory", "tflops"});
  const Reader read(fields);
  read.positive("memory", profile.gpu_memory, "the memory of a GPU in GB, above 0");
  read.positive("tflops", profile.gpu_tflops, "the TFLOP/s that a GPU sustains, above 0");
}

void read_cpu(const Field& field, SiteProfile& profile) {
  const Fields fields(field, "how CPUs are used", {"workers_per_node", "cores_per_worker", "tflops_per_core"});
  const Reader read(fields);
  read.whole("workers_per_node", 1, 1024, profile.workers_per_node);
  read.whole("cores_per_worker", 1, 1024, profile.cores_per_worker);
  read.positive("tflops_per_core", profile.core_tflops, "the TFLOP/s that a core sustains, above 0");
}

void read_environment(const Field& field, SiteProfile& profile) {
  if (!field.is_map()) {
    field.expected("a map of environment variables");
    return;
  }
  for (const YamlEntry& entry : field.node().entries) {
    const Field value(entry.value, "environment", field.source());
    if (!is_variable_name(entry.key)) {
      field.source().problems.add(
          {field.source().file, entry.line, entry.column, "environment"},
          fmt::format("expected the name of an environment variable, found {}", in_quotes(entry.key)));
    } else if (const auto text = Reader::one_line(value, fmt::format("the value of {}", entry.key))) {
      profile.environment.emplace_back(entry.key, *text);
    }
  }
}

void read_limits(const Fields& top, SiteProfile& profile) {
  constexpr std::string_view kTime = "a time limit above 0: minutes, H:MM:SS or D-HH:MM:SS";
  Reader(top).whole("max_nodes", 1, 100'000, profile.max_nodes);
  if (const auto f = top.get("max_time")) {
    const auto seconds = f->is_scalar() ? seconds_of(f->node().scalar) : std::nullopt;
    if (seconds)
      profile.max_seconds = *seconds;
    else
      f->expected(kTime);
  }
  if (const auto f = top.get("memory_per_node"))
    if (const auto gb = f->integer(0, 1'000'000, "GB of a node to ask for, or 0 for all of it"))
      profile.memory_mib = *gb * 1'000'000'000 / (1 << 20);
}

void read_top(const Field& root, SiteProfile& profile) {
  const Fields top(
      root, "a site profile",
      {"partition", "report_partition", "account", "qos", "constraint", "gpus_per_node", "gpu", "gres", "cpu",
       "max_nodes", "max_time", "memory_per_node", "disk_gbps", "modules", "launcher", "environment", "scratch"});
  if (!top.ok()) return;
  const Reader read(top);
  read.word("partition", profile.partition);
  read.word("report_partition", profile.report_partition);
  read.word("account", profile.account);
  read.word("qos", profile.qos);
  read.word("constraint", profile.constraint);
  read.word("gres", profile.gres);
  read.whole("gpus_per_node", 0, 64, profile.gpus_per_node);
  if (const auto f = top.get("gpu")) read_gpu(*f, profile);
  if (const auto f = top.get("cpu")) read_cpu(*f, profile);
  read_limits(top, profile);
  read.positive("disk_gbps", profile.disk_gbps, "the GB/s that a node reads from disk, above 0");
  read.line("launcher", profile.launcher, "how ranks are launched: srun ..., mpirun ... or a template with {ranks}");
  read.line("scratch", profile.scratch, "the path of a folder");
  if (const auto f = top.get("environment")) read_environment(*f, profile);
  if (const auto f = top.get("modules"))
    if (const auto list = f->list("a list of modules to load"))
      for (const Field& module : *list)
        if (const auto name = Reader::one_line(module, "the name of a module")) profile.modules.push_back(*name);
}

}  // namespace

void check_slurm_word(const std::string& what, const std::string& word) {
  if (!is_slurm_word(word)) bad_input("{}: expected {}, found {}", what, kSlurmWord, in_quotes(word));
}

std::optional<std::int64_t> seconds_of(std::string_view text) {
  std::int64_t days = 0;
  const auto take = [](std::string_view digits) -> std::optional<std::int64_t> {
    std::int64_t n = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (error != std::errc() || end != digits.data() + digits.size() || n < 0 || n > kMostSeconds) return std::nullopt;
    return n;
  };
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    const auto n = take(text.substr(0, dash));
    if (!n) return std::nullopt;
    days = *n;
    text.remove_prefix(dash + 1);
  }
  std::vector<std::int64_t> parts;
  for (;;) {
    const std::size_t colon = text.find(':');
    const auto n = take(text.substr(0, colon));
    if (!n) return std::nullopt;
    parts.push_back(*n);
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
  }
  std::int64_t seconds = 0;
  if (parts.size() == 1 && dash == std::string_view::npos)
    seconds = parts[0] * 60;
  else if (parts.size() == 3 && parts[1] < 60 && parts[2] < 60)
    seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
  else
    return std::nullopt;  // "24:00" would be 24 minutes to Slurm and a day to most people
  seconds += days * 24 * 3600;
  return seconds > 0 && seconds <= kMostSeconds ? std::optional(seconds) : std::nullopt;
}

SiteProfile read_site_profile(const std::string& file) {
  SiteProfile profile;
  const YamlNode tree = parse_yaml(file, read_text_file(file, kMostBytes));
  SpecSource source{file, std::filesystem::absolute(file).parent_path().string(), {}};
  read_top(Field(tree, "", source), profile);
  source.problems.throw_if_any();
  return profile;
}

}  // namespace steergrid
