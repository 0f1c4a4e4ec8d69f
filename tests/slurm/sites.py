"""Sweeps submitted to the cluster of cluster.sh, and what their logs say."""

import json
import re
from pathlib import Path

from private_cluster import DEVICES, NODES, wait_until
from sweeps import Sweep

PROFILE = """\
partition: {partition}
gpus_per_node: {gpus}
cpu: {{ cores_per_worker: 1, workers_per_node: 2 }}
max_nodes: {nodes}
memory_per_node: 1
disk_gbps: 1
"""

SEAT = re.compile(
    r"seat of rank (\d+) on (\S+): (?:(coordinator)|worker (\d+) of (\d+), .*?(?:CUDA_VISIBLE_DEVICES=(\S+))?$)", re.MULTILINE
)


# Read by the batch script's bash before anything else: units are slow in launches that restart less than this often.
SLOW = '[ "${{SLURM_RESTART_COUNT:-0}}" -ge {launches} ] || export STEERGRID_FAULT=slow={milliseconds}\n'


class Submitted:
    """A sweep and its job. Units take `pause` seconds longer until the job was restarted `slow_launches` times."""

    def __init__(
        self, cluster, program: str, folder: Path, pause: float = 0, slow_launches=1, partition="main", **settings
    ):
        self.cluster = cluster
        self.program = program
        self.sweep = Sweep(program, folder, **settings)
        self.profile = folder / "site.yaml"
        self.profile.write_text(PROFILE.format(partition=partition, gpus=DEVICES, nodes=NODES))
        if pause > 0:
            slow = folder / "slow.sh"
            slow.write_text(SLOW.format(launches=slow_launches, milliseconds=int(pause * 1000)))
            cluster.environment["BASH_ENV"] = str(slow)

    def submit(self, *options: str) -> str:
        said = self.cluster.run(self.program, "submit", self.sweep.folder / "sweep.yaml", "--profile", self.profile, *options)
        self.job = re.search(r"job (\d+) submitted", said)[1]
        found = re.search(r"job (\d+) writes the report", said)
        self.report_job = found and found[1]
        return said

    @property
    def output(self) -> Path:
        return self.sweep.output

    def log(self) -> str:
        return "".join(f.read_text() for f in sorted(self.sweep.folder.glob(f"*-{self.job}.log")))

    def status(self) -> dict:
        done = self.cluster.call(self.program, "status", self.output, "--json")
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def ended(self) -> int:
        return self.status().get("units", {}).get("ended", 0)

    def wait_for_units(self, at_least: int, timeout: float = 60) -> int:
        wait_until(lambda: self.ended() >= at_least, timeout, self.everything, every=0.2)
        return self.ended()

    def wait_for_end(self, state: str = "COMPLETED", timeout: float = 120) -> dict[str, str]:
        fields = self.cluster.wait_for(self.job, "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", timeout=timeout)
        assert fields["JobState"] == state, f"{fields}\n{self.everything()}"
        return fields

    def everything(self) -> str:
        return f"{self.log()}\n{self.cluster.logs()}"

    def seats(self) -> list[dict]:
        keys = ("rank", "host", "coordinator", "worker", "workers", "visible")
        return [dict(zip(keys, match.groups())) for match in SEAT.finditer(self.log())]


def assert_resumed_once(job: Submitted, before: int):
    """The same job, restarted once, went on where it was: units done before are not run again, the log is kept."""
    fields = job.wait_for_end()
    assert fields["Restarts"] == "1", fields
    after = job.status()
    assert after["finished"] and after["launches"] == 2, after
    found = re.search(r"restart 1: \d+ ranks on \S+, (\d+) units ended before", job.log())
    assert found and int(found[1]) >= before > 0, job.everything()
    assert "restart 0: " in job.log()
