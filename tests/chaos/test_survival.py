"""Deaths that end nothing: `mpirun --enable-recovery` goes on with the ranks that are left; a supervisor starts again."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from evidence import FAILED
from launch import alive, hit
from sweeps import Sweep, assert_same_bits, datasets, h5py, states
from trials import ONE_THREAD, SLOW

MPIRUN = "mpirun -n 3 --oversubscribe --bind-to none"


def recovering(stage, ranks: int, fault: str = SLOW):
    """A launch whose launcher lets the survivors of a death go on."""
    command = stage.sweep.command(ranks, *ONE_THREAD)
    return stage.launch_command([command[0], "--enable-recovery", *command[1:]], fault)


def stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False


def launches(path) -> int:
    with h5py.File(path) as file:
        return int((file["sched/launches"]["started"] != 0).sum())


def test_a_dead_workers_unit_goes_to_another_team_and_the_sweep_ends_without_a_restart(stage, calm):
    with recovering(stage, 3) as launch:
        launch.watch_until(lambda: len(launch.acknowledged) >= 3)
        hit([launch.ranks()[stage.rng.choice([1, 2])]], signal.SIGKILL)
        launch.end()
        said = launch.said()
    assert (states(stage.output) == 1).all(), said
    assert launches(stage.output) == 1 and "is gone" in said and "summary: " in said
    assert not Path(f"{stage.output}.lock").exists()
    assert_same_bits(datasets(calm[0]), datasets(stage.output))


def test_a_worker_that_dies_while_the_last_unit_is_committed_holds_nobody(stage, calm):
    with recovering(stage, 3, "slow-disk=100") as launch:
        launch.watch_until(lambda: launch.acknowledged)
        ranks = launch.ranks()
        victim = ranks[stage.rng.choice([1, 2])]
        launch.watch_until(lambda: len(launch.acknowledged) >= len(states(calm[0])) - 1)
        hit([ranks[0]], signal.SIGSTOP)  # in the midst of the last commit, however late this process is
        time.sleep(0.05)
        hit([victim], signal.SIGKILL)
        while alive(victim):
            time.sleep(0.01)
        hit([ranks[0]], signal.SIGCONT)
        launch.end()
        said = launch.said()
    assert (states(stage.output) == 1).all(), said
    assert "is gone" in said and not Path(f"{stage.output}.lock").exists(), said
    assert_same_bits(datasets(calm[0]), datasets(stage.output))


def test_a_rank_that_cannot_open_its_log_ends_them_all_and_says_it_once(stage):
    sound = [*stage.sweep.command(1, *ONE_THREAD)]
    unsound = [*sound, f"--log={stage.sweep.folder}/sweep.yaml/no.log"]
    launcher = [*MPIRUN.replace("-n 3", "--enable-recovery").split(), "-n", "1"]
    with stage.launch_command([*launcher, *sound, ":", "-n", "1", *unsound, ":", "-n", "1", *sound], "") as launch:
        launch.end()
        assert launch.said().count(": log file ") == 1, launch.said()
    with stage.launch_command([*launcher[:-1], "3", *unsound], "") as launch:
        launch.end()
        assert launch.said().count(": log file ") == 1, launch.said()
    assert not stage.output.exists()


@pytest.mark.long
def test_launches_that_are_killed_as_a_whole_say_nothing_of_their_units(stage, calm):
    """As a node's failure or a batch system: every process at once, and rank 0 need not be the first."""
    for _ in range(6):
        with stage.launch(fault="hang-unit=0") as launch:
            ranks = {}
            while launch.running() and not (len(ranks) == 3 and any(stopped(pid) for pid in ranks.values())):
                time.sleep(0.01)
                ranks = launch.ranks()
            hit([launch.process.pid, ranks[2], ranks[1]], signal.SIGKILL)
            time.sleep(0.05)
            hit([ranks[0]], signal.SIGKILL)
            launch.end([*ranks.values()])
    with stage.launch(fault="") as launch:
        assert launch.end() == 0, launch.said()
    assert (states(stage.output) == 1).all()
    assert_same_bits(datasets(calm[0]), datasets(stage.output))


@pytest.mark.long
def test_a_unit_that_always_crashes_fails_in_one_launch_and_its_neighbours_do_not(stage):
    unit = stage.rng.choice([u for u, rows in stage.sound.items() if "letter_logprob" in rows])
    with recovering(stage, 6, f"crash-unit={unit}") as launch:
        launch.end()
    assert launches(stage.output) == 1
    state = states(stage.output)
    assert state[unit] == FAILED and (np.delete(state, unit) == 1).all(), launch.said()
    with h5py.File(stage.output) as file:
        assert b"its worker died in 4 attempts" in file["sched/message"][unit].tobytes()
    stage.judge(set(stage.sound) - {unit})


@pytest.mark.long
def test_a_supervisor_is_not_fooled_by_a_launcher_that_ends_well_without_the_run(stage, calm):
    launcher = MPIRUN.replace("mpirun", "mpirun --enable-recovery")
    command = stage.sweep.command(1, *ONE_THREAD, "--restarts=5", f"--launcher={launcher}")
    with stage.launch_command(command, SLOW) as launch:
        launch.watch_until(lambda: len(launch.acknowledged) >= 3)
        hit([launch.ranks()[0]], signal.SIGKILL)
        assert launch.end() == 0, launch.said()
    assert launches(stage.output) == 2
    assert_same_bits(datasets(calm[0]), datasets(stage.output))


@pytest.mark.long
def test_a_team_with_a_dead_rank_retires_and_leaves_no_process_behind(faulty, stage, tmp_path):
    settings = {"dtype": "float32", "tensor_parallel": 2, "pairs": 60, "questions": 24}
    calm = Sweep(faulty, tmp_path / "two", **settings).must_run(3, *ONE_THREAD)
    stage.sweep = Sweep(faulty, tmp_path / "hurt", **settings)
    with recovering(stage, 5) as launch:
        launch.watch_until(lambda: len(launch.acknowledged) >= 3)
        hit([launch.ranks()[stage.rng.choice([1, 2, 3, 4])]], signal.SIGKILL)
        launch.end()
    assert (states(stage.output) == 1).all(), launch.said()
    assert_same_bits(calm, datasets(stage.output))


@pytest.mark.parametrize("moment", ["start", pytest.param("middle", marks=pytest.mark.long)])
def test_workers_leave_when_the_coordinator_is_dead(stage, calm, moment):
    with recovering(stage, 3) as launch:
        if moment == "middle":
            launch.watch_until(lambda: len(launch.acknowledged) >= 3)
        else:
            launch.wait_for_creation()
        hit([launch.ranks()[0]], signal.SIGKILL)
        launch.end()  # its exit code says nothing: with --enable-recovery mpirun gives 0
    stage.judge(launch.acknowledged)


def test_a_supervisor_starts_the_run_again_until_it_is_done(stage, calm):
    alone = stage.sweep.command(1, *ONE_THREAD, "--restarts", "5", f"--launcher={MPIRUN}")
    with stage.launch_command(alone, SLOW) as launch:
        launch.watch_until(lambda: len(launch.acknowledged) >= 3)
        hit([launch.ranks()[2]], signal.SIGKILL)
        assert launch.end() == 0, launch.said()
        assert "restart 1 of 5" in launch.said()
    assert launches(stage.output) == 2
    assert_same_bits(datasets(calm[0]), datasets(stage.output))


def test_a_supervisor_passes_a_stop_on_and_does_not_start_again(stage):
    with stage.launch_command(stage.sweep.command(1, *ONE_THREAD, "--restarts=5"), "slow=100") as launch:
        launch.watch_until(lambda: launch.acknowledged)
        hit([launch.process.pid], signal.SIGTERM)
        assert launch.end() == 75, launch.said()
        assert "restart " not in launch.said()
    assert launches(stage.output) == 1


@pytest.mark.parametrize("launcher", ["", MPIRUN])
def test_a_supervisor_does_not_repeat_bad_input(program, tmp_path, launcher):
    done = supervised(program, tmp_path, 9, launcher)
    assert done.returncode == 2 and "restart " not in done.stderr


def test_a_supervisor_starts_again_what_told_nothing_whatever_the_launchers_code(program, tmp_path):
    done = supervised(program, tmp_path, 2, f"sh -c 'echo started >>{tmp_path}/starts; exit 1'")
    assert done.returncode == 75 and "restart 2 of 2" in done.stderr, done.stderr
    assert (tmp_path / "starts").read_text().count("started") == 3


@pytest.mark.parametrize("launcher, sentence", [("/no/mpirun -n 3", "No such file"), ("env /no/such", "exit code 127")])
def test_a_supervisor_says_once_that_a_launcher_cannot_be_started(program, tmp_path, launcher, sentence):
    done = supervised(program, tmp_path, 9, launcher)
    assert done.returncode == 2 and "restart " not in done.stderr, done.stderr
    assert done.stderr.count("steergrid:") == 1 and sentence in done.stderr, done.stderr


def supervised(program, folder, restarts: int, launcher: str):
    """A supervised run that no launch can finish: its spec is none."""
    spec = folder / "sweep.yaml"
    spec.write_text("name: 3\n")
    command = [program, "run", spec, f"--restarts={restarts}"] + ([f"--launcher={launcher}"] if launcher else [])
    return subprocess.run(command, capture_output=True, text=True)
