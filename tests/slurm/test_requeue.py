"""What ends a job before its sweep: only the units in flight are lost, and only a job that may goes on."""

from pathlib import Path

import pytest
from private_cluster import NODES, wait_until
from sites import Submitted, assert_resumed_once

pytestmark = pytest.mark.long

URGENT = ("sbatch", "--parsable", "--partition=high", "--output=/dev/null", f"--nodes={NODES}", "--exclusive", "--wrap=sleep 2")


@pytest.fixture(name="submitted")
def _submitted(cluster, faulty, tmp_path):
    def submit(*options, pause=2.0, **settings):
        job = Submitted(cluster, faulty, tmp_path / "job", pause=pause, **settings)
        job.submit("--nodes", "2", "--no-report", *options)
        return job

    return submit


def test_the_walltime_signal_requeues_the_job(submitted):
    # The limit and the signal are real: two minutes, of which Slurm takes one and up to another half for the signal.
    job = submitted("--time", "2", pause=30)
    before = job.wait_for_units(1)
    assert_resumed_once(job, before)
    assert "USR1: the ranks are asked to stop" in job.log()
    assert "launch ended with 75" in job.log()


@pytest.mark.parametrize("partition", ["main", "nograce"])
def test_preemption_with_and_without_grace_requeues_the_job(submitted, partition):
    job = submitted(partition=partition)
    before = job.wait_for_units(2)
    urgent = job.cluster.run(*URGENT).strip()
    assert_resumed_once(job, before)
    assert job.cluster.job(urgent)["JobState"] == "COMPLETED"


def test_a_node_crash_restarts_the_job_on_other_nodes(submitted):
    job = submitted()
    before = job.wait_for_units(2)
    lost = {seat["host"] for seat in job.seats()}
    assert lost == {"n1", "n2"}
    job.cluster.crash("n2")
    assert_resumed_once(job, before)
    assert {seat["host"] for seat in job.seats()} == {"n1", "n2", "n3"}


def test_scontrol_requeue_restarts_the_job(submitted):
    job = submitted()
    before = job.wait_for_units(2)
    job.cluster.run("scontrol", "requeue", job.job)
    assert_resumed_once(job, before)


def test_a_cancelled_job_stays_cancelled(submitted):
    job = submitted()
    job.wait_for_units(2)
    job.cluster.run("scancel", job.job)
    fields = job.wait_for_end("CANCELLED")
    assert fields["Restarts"] == "0"
    job.cluster.run("sleep", "6")  # longer than a requeued job waits
    assert job.cluster.job(job.job)["JobState"] == "CANCELLED"
    assert not job.status()["finished"]


def test_a_dead_rank_costs_a_launch_and_not_the_job(submitted):
    job = submitted()
    before = job.wait_for_units(2)
    name = Path(job.program).name[:15]  # what the kernel keeps of it
    job.cluster.run("sh", "-c", f"kill -KILL $(pgrep --newest --exact {name})")
    fields = job.wait_for_end()
    assert fields["Restarts"] == "0"
    status = job.status()
    assert status["finished"] and status["launches"] >= 1 and status["units"]["done"] > before


def test_a_job_without_progress_stops_requeueing(submitted):
    job = submitted(pause=600, slow_launches=2)
    for restart in range(2):
        job.cluster.wait_for(job.job, "RUNNING")
        begun = f"restart {restart}: 5 ranks"
        wait_until(lambda: begun in job.log(), 60, job.everything)
        job.cluster.run("scontrol", "requeue", job.job)
    fields = job.wait_for_end("FAILED")
    assert fields["ExitCode"] == "76:0" and fields["Restarts"] == "2", fields
    assert "two launches in a row finished no unit" in job.log()
