"""A private Slurm cluster (cluster.sh) and jobs on it; `why_not` says what is missing where there can be none."""

import os
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDED = ("slurmctld", "slurmd", "sbatch", "munged", "ip", "unshare", "nsenter", "mpirun")
NODES, DEVICES = 3, 2


class Cluster:
    """`run` calls a command on the cluster's head; jobs get `environment`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment: dict[str, str] = {}
        folder.mkdir(parents=True)
        self.process = subprocess.Popen(
            [HERE / "cluster.sh", folder, str(NODES), str(DEVICES), "sh", "-c", "echo up; exec sleep infinity"],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout.readline() == "up\n", self.logs()
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.inside = ["nsenter", "--target", children[0], "--mount", "--uts", "--ipc", "--net", "--pid"]

    def end(self):
        self.process.kill()  # the kernel ends everything inside
        self.process.wait()

    def logs(self) -> str:
        return "\n".join(f"== {f.name}\n{f.read_text()[-2000:]}" for f in sorted(self.folder.glob("log/*.log")))

    def call(self, *command, timeout: float = 60) -> subprocess.CompletedProcess:
        settings = {"SLURM_CONF": "/srv/etc/slurm.conf", "OMP_NUM_THREADS": "1", **self.environment}
        return subprocess.run(
            [*self.inside, "env", *(f"{k}={v}" for k, v in settings.items()), *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )

    def run(self, *command, timeout: float = 60) -> str:
        done = self.call(*command, timeout=timeout)
        assert done.returncode == 0, f"{command}: {done.stdout}\n{self.logs()}"
        return done.stdout

    def job(self, job: str) -> dict[str, str]:
        """The fields of `scontrol show job`."""
        text = self.run("scontrol", "--oneliner", "show", "job", job)
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def wait_for(self, job: str, *states: str, timeout: float = 90) -> dict[str, str]:
        fields = {}

        def reached():
            nonlocal fields
            fields = self.job(job)
            return fields["JobState"] in states

        wait_until(reached, timeout, lambda: f"job {job}: {fields}\n{self.logs()}")
        return fields

    def crash(self, node: str):
        """The node and all its ranks are gone at once; Slurm is told, as its own time-out would."""
        self.run("sh", "-c", f"kill -KILL $(cat /srv/run/{node}.pid)")
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=crash")


def wait_until(condition, timeout: float, describe=lambda: "", every: float = 0.1):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {describe()}"
        time.sleep(every)


def why_not() -> str:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (scripts/install_dependencies.sh check)"
    if os.geteuid() != 0:
        return "needs root: Slurm's daemons refuse to run in a user namespace"
    tried = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"no namespaces here: {tried.stderr.strip()}"
