// The text of batch scripts: what it asks for, that bash takes it, and that the templates in slurm/ have the same body.
#include "batch/job_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "batch/job_body.h"

namespace steergrid {
namespace {

using testing::HasSubstr;
using testing::Not;

const JobText kOne{"sweep", "/opt/steergrid", {"/data/sweep.yaml"}, {"/data/out.h5"}, {}, "/data"};

JobRequest two_nodes() {
  JobRequest r;
  r.nodes = 2;
  r.workers = 4;
  r.gpus = true;
  r.cores = 8;
  r.minutes = 90;
  r.signal_lead = 120;
  r.memory_mib = 2048;
  return r;
}

std::string read(const std::filesystem::path& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

bool bash_takes(const std::string& script) {
  const auto file = std::filesystem::temp_directory_path() / ("steergrid_job_" + std::to_string(::getpid()) + ".sh");
  std::ofstream(file) << script;
  const bool good = std::system(("bash -n " + file.string()).c_str()) == 0;
  std::filesystem::remove(file);
  return good;
}

TEST(JobScript, AsksForWhatTheRequestSays) {
  SiteProfile site;
  site.partition = "gpu";
  site.account = "proj";
  const std::string script = sweep_script(kOne, two_nodes(), site);
  for (const char* line : {"--partition=gpu\n", "--account=proj\n", "--nodes=2\n", "--ntasks-per-node=5\n",
                           "--gpus-per-node=4\n", "--cpus-per-task=8\n", "--mem=2048M\n", "--time=90\n",
                           "--signal=B:USR1@120\n", "--requeue\n", "--open-mode=append\n"})
    EXPECT_THAT(script, HasSubstr(std::string("#SBATCH ") + line));
  EXPECT_THAT(script, HasSubstr("workers=4"));
  EXPECT_THAT(script, Not(HasSubstr("--qos")));
  EXPECT_THAT(script, Not(HasSubstr("--array")));
  EXPECT_TRUE(bash_takes(script));
}

TEST(JobScript, NamesTheGenericResourceWhereTheSiteDoes) {
  SiteProfile site;
  site.gres = "gpu:a100";
  const std::string script = sweep_script(kOne, two_nodes(), site);
  EXPECT_THAT(script, HasSubstr("#SBATCH --gres=gpu:a100:4\n"));
  EXPECT_THAT(script, Not(HasSubstr("--gpus-per-node")));
}

TEST(JobScript, AsksForNoGpuWhereThereAreNone) {
  JobRequest r = two_nodes();
  r.gpus = false;
  EXPECT_THAT(sweep_script(kOne, r, {}), Not(HasSubstr("gpus-per-node")));
}

TEST(JobScript, SeatsRanksByEachLauncher) {
  SiteProfile site;
  EXPECT_THAT(sweep_script(kOne, two_nodes(), site),
              HasSubstr("launch() { exec srun --mpi=pmix --kill-on-bad-exit=0 -n \"$ranks\" -m arbitrary \"$@\"; }\n"));
  site.launcher = "/opt/bin/mpirun --bind-to core";
  EXPECT_THAT(
      sweep_script(kOne, two_nodes(), site),
      HasSubstr("launch() { exec /opt/bin/mpirun --bind-to core -n \"$ranks\" --hostfile \"$slots\" \"$@\"; }\n"));
  site.launcher = "flux run -n{ranks} --hosts={hosts};id";
  EXPECT_THAT(sweep_script(kOne, two_nodes(), site),
              HasSubstr("launch() { exec flux run -n\"$ranks\" --hosts=\"$hosts\"';id' \"$@\"; }\n"));
  site.launcher = "aprun";
  EXPECT_THROW(sweep_script(kOne, two_nodes(), site), Error);
}

TEST(JobScript, QuotesEveryTextOfAUser) {
  const std::string hostile = "/data/a b'$(touch owned)`id`;\"x.h5";
  const JobText text{"sweep", hostile, {hostile}, {hostile}, {hostile}, "/data/50% off \"#\""};
  SiteProfile site;
  site.modules = {"a;b"};
  site.environment = {{"A", "$(id)"}};
  site.scratch = "/scratch/a b";
  for (const std::string& script : {sweep_script(text, two_nodes(), site), report_script(text, site)}) {
    EXPECT_THAT(script, Not(HasSubstr("=" + hostile)));
    EXPECT_THAT(script, HasSubstr("'/data/a b'\\''$(touch owned)`id`;\"x"));
    EXPECT_THAT(script, HasSubstr("export A='$(id)'\n"));
    EXPECT_THAT(script, HasSubstr("module load 'a;b'\n"));
    EXPECT_THAT(script, HasSubstr("--output=\"/data/50%% off \\\"#\\\"/"));
    EXPECT_TRUE(bash_takes(script));
  }
  JobText broken = text;
  broken.specs = {"/data/a\n#SBATCH --nodes=100"};
  EXPECT_THROW(sweep_script(broken, two_nodes(), site), Error);
}

TEST(JobScript, MakesAnArrayOfSeveralSweeps) {
  const JobText text{"many", "/opt/steergrid", {"/a.yaml", "/b.yaml"}, {"/a.h5", "/b.h5"}, {}, "/data"};
  const std::string script = sweep_script(text, two_nodes(), {}), report = report_script(text, {});
  EXPECT_THAT(script, HasSubstr("#SBATCH --array=0-1\n"));
  EXPECT_THAT(script, HasSubstr("specs=(/a.yaml\n  /b.yaml)\n"));
  EXPECT_THAT(script, HasSubstr("-%A_%a.log\n"));
  EXPECT_THAT(report, HasSubstr("#SBATCH --array=0-1\n"));
  EXPECT_THAT(report, HasSubstr("folders=(/a-report\n  /b-report)\n"));
  EXPECT_TRUE(bash_takes(script) && bash_takes(report));
}

TEST(JobScript, DoesNotTrapContinueBecauseBashWouldLoseTheOtherSignal) {
  EXPECT_THAT(std::string(job_body()), Not(testing::ContainsRegex("trap [^\n]* CONT")));
}

TEST(JobTemplates, HaveTheBodyThatSubmitWrites) {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(STEERGRID_SOURCE_DIR) + "/slurm")) {
    if (entry.path().extension() != ".sbatch") continue;
    ++seen;
    const std::string text = read(entry.path());
    const std::size_t start = text.find(kJobBodyStart);
    ASSERT_NE(start, std::string::npos) << entry.path();
    EXPECT_EQ(text.substr(start), job_body()) << entry.path();
    EXPECT_TRUE(bash_takes(text)) << entry.path();
    EXPECT_THAT(text, HasSubstr("#SBATCH --requeue\n"));
    EXPECT_THAT(text, HasSubstr("#SBATCH --open-mode=append\n"));
  }
  EXPECT_EQ(seen, 3);
}

}  // namespace
}  // namespace steergrid
