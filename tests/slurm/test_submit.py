"""`steergrid submit` on a real Slurm: who sits where, the report job, arrays, waiting jobs."""

import json

import h5py
import pytest
from private_cluster import DEVICES, NODES
from sites import Submitted
from sweeps import DEMO, assert_same_bits, datasets

pytestmark = pytest.mark.long


def assert_every_gpu_has_one_worker(seats, nodes=NODES):
    workers = [s for s in seats if not s["coordinator"]]
    assert len(seats) == 1 + nodes * DEVICES and len(workers) == nodes * DEVICES
    assert seats[0]["coordinator"] and seats[0]["host"] == workers[0]["host"]
    visible = [s["visible"].split(",") for s in workers]  # a worker takes the one of its number
    taken = {(s["host"], devices[int(s["worker"]) % len(devices)]) for s, devices in zip(workers, visible)}
    assert taken == {(f"n{n + 1}", str(d)) for n in range(nodes) for d in range(DEVICES)}


def test_the_demo_runs_on_every_gpu_and_its_report_follows(cluster, program, tmp_path):
    folder = tmp_path / "it's a 100% [demo]; $(touch owned)"  # a path that a careless script would trip over
    job = Submitted(cluster, program, folder)
    for entry in DEMO.iterdir():
        if entry.name not in ("sweep.yaml", "results"):
            (folder / entry.name).symlink_to(entry)
    (folder / "sweep.yaml").write_text((DEMO / "sweep.yaml").read_text().replace("results/demo.h5", "small.h5"))

    cluster.run("scontrol", "update", "partitionname=main", "state=down")
    said = job.submit("--nodes", str(NODES))
    assert "steergrid status" in said and "scancel" in said
    assert "PENDING (PartitionDown)" in cluster.run(program, "status", job.output)
    waiting = json.loads(cluster.run(program, "status", job.output, "--json"))
    assert waiting["job"]["state"] == "PENDING"
    cluster.run("scontrol", "update", "partitionname=main", "state=up")

    job.wait_for_end(timeout=200)
    assert_every_gpu_has_one_worker(job.seats())
    assert job.status()["finished"]
    assert "summary: " in job.log() and "cells/s" in job.log()
    cluster.wait_for(job.report_job, "COMPLETED", timeout=300)
    assert (folder / "small-report" / "report.html").is_file()
    with h5py.File(job.output, "r") as file:
        assert file["sched/launches"][0]["ranks"] == 1 + NODES * DEVICES
    assert not list(tmp_path.glob("**/owned"))


def test_a_job_gives_the_bits_of_a_run_without_slurm(cluster, program, tmp_path, sweep):
    job = Submitted(cluster, program, tmp_path / "job")
    job.submit("--nodes", "2", "--no-report")
    alone = sweep("alone").must_run(1)
    job.wait_for_end()
    assert_same_bits(datasets(job.output), alone)


def test_mpirun_seats_ranks_alike(cluster, program, tmp_path):
    job = Submitted(cluster, program, tmp_path / "job")
    job.submit("--nodes", str(NODES), "--no-report", "--launcher", "mpirun")
    job.wait_for_end()
    assert_every_gpu_has_one_worker(job.seats())


def test_several_sweeps_are_an_array_and_a_failed_one_gets_no_report(cluster, program, tmp_path):
    good, bad = (Submitted(cluster, program, tmp_path / name, pairs=10, questions=3) for name in ("good", "bad"))
    cluster.run("scontrol", "update", "partitionname=main", "state=down")
    good.submit(str(bad.sweep.folder / "sweep.yaml"), "--nodes", "1")
    (bad.sweep.folder / "sweep.yaml").write_text("name: broken\n")
    cluster.run("scontrol", "update", "partitionname=main", "state=up")
    for element, state in (("0", "COMPLETED"), ("1", "FAILED")):
        ended = cluster.wait_for(f"{good.job}_{element}", "COMPLETED", "FAILED")
        assert ended["JobState"] == state, good.everything()
        assert ended["ExitCode"] == ("0:0" if state == "COMPLETED" else "2:0")
    cluster.wait_for(f"{good.report_job}_0", "COMPLETED", timeout=300)
    cluster.wait_for(f"{good.report_job}_1", "CANCELLED")
    assert (good.sweep.folder / "small-report" / "report.html").is_file()
    assert not (bad.sweep.folder / "small-report").exists()
    status = json.loads(cluster.run(program, "status", good.output, "--json"))
    assert status["finished"] and status["job"]["id"] == f"{good.job}_0"


def test_dry_run_prints_the_script_and_leaves_nothing(cluster, program, tmp_path):
    job = Submitted(cluster, program, tmp_path / "job")
    before = sorted(job.sweep.folder.iterdir())
    script = cluster.run(program, "submit", job.sweep.folder / "sweep.yaml", "--profile", job.profile, "--dry-run")
    assert "#SBATCH --ntasks-per-node=3" in script and "#SBATCH --gpus-per-node=2" in script
    assert sorted(job.sweep.folder.iterdir()) == before
    assert cluster.run("squeue", "--noheader") == ""


def test_what_sbatch_refuses_is_said(cluster, program, tmp_path):
    job = Submitted(cluster, program, tmp_path / "job")
    refused = cluster.call(
        program, "submit", job.sweep.folder / "sweep.yaml", "--profile", job.profile, "--partition", "nowhere"
    )
    assert refused.returncode == 1 and "invalid partition" in refused.stdout
