"""What can happen to a sweep. Each trial hurts launches at random moments and leaves a file that can be resumed.

Not a test. A trial gets a `Stage` (a fresh sweep, random numbers, what an undisturbed run gave) and asserts what a user
would see meanwhile; `test_chaos.py` then resumes and compares bits. Every trial tells its story for the failure message.
"""

import hashlib
import os
import random
import resource
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from evidence import BLOCKED, DONE, FAILED, KIND, damage
from launch import Launch, hit
from sweeps import Sweep, h5py, states

RANKS = 3
ONE_THREAD = ("--threads", "1")
SLOW = "slow=15"  # milliseconds a unit: moments to hit, without burning a core


@dataclass
class Stage:
    sweep: Sweep  # its program is the faulty one
    sound: dict[int, dict[str, bytes]]  # rows of an undisturbed run, by unit
    seconds: float  # that one took, slowed down as here
    rng: random.Random
    story: list[str] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.sweep.output

    def launch(self, ranks: int = RANKS, *arguments: str, fault: str = SLOW, **popen) -> Launch:
        return self.launch_command(self.sweep.command(ranks, *ONE_THREAD, *arguments), fault, **popen)

    def launch_command(self, command: list[str], fault: str, **popen) -> Launch:
        return Launch(command, self.output, fault, **popen)

    def moment(self, launch: Launch) -> None:
        """Waits for a random moment: anywhere in the launch, or, one time in four, within the making of the file."""
        if self.rng.random() < 0.25 and not self.output.exists():
            launch.wait_for_creation()
            wait = self.rng.uniform(0, 0.01)
            self.story.append(f"{1000 * wait:.1f} ms after creation began")
            time.sleep(wait)
            return
        wait = self.rng.uniform(0, self.seconds)
        until = time.monotonic() + wait
        launch.watch_until(lambda: time.monotonic() > until)
        self.story.append(f"after {wait:.3f} s with {len(launch.acknowledged)} units acknowledged")

    def judge(self, acknowledged: set[int], blocked: frozenset[int] = frozenset()) -> None:
        """Of the evaluations in `blocked`, which lack vectors, the baselines alone are held to the sound ones."""
        wrong = damage(self.output, acknowledged, self.sound, blocked)
        assert not wrong, f"{self.story}: {wrong}"


def kill(stage: Stage, whom) -> None:
    """kill -9 of some of a launch's processes, once or twice over."""
    for _ in range(stage.rng.choice([1, 1, 2])):
        with stage.launch() as launch:
            stage.moment(launch)
            ranks, mpirun = launch.ranks(), launch.process.pid
            pids = whom(ranks, mpirun)
            stage.story.append(f"kill -9 {pids} of mpirun {mpirun} and ranks {ranks}")
            hit(pids, signal.SIGKILL)
            launch.end([*ranks.values()])
            stage.judge(launch.acknowledged)


def kill_a_worker(stage: Stage) -> None:
    rank = stage.rng.randrange(1, RANKS)
    kill(stage, lambda ranks, mpirun: [ranks.get(rank, mpirun)])


def kill_the_coordinator(stage: Stage) -> None:
    kill(stage, lambda ranks, mpirun: [ranks[0]])


def kill_mpirun(stage: Stage) -> None:
    kill(stage, lambda ranks, mpirun: [mpirun])


def kill_everything(stage: Stage) -> None:
    kill(stage, lambda ranks, mpirun: [mpirun, *ranks.values()])


def stop_a_worker(stage: Stage) -> None:
    """SIGSTOP: nothing may go wrong while it sleeps, and it goes on when it may."""
    with stage.launch() as launch:
        stage.moment(launch)
        ranks = launch.ranks()
        sleeper = ranks.get(stage.rng.randrange(1, RANKS), launch.process.pid)
        hit([sleeper], signal.SIGSTOP)
        until = time.monotonic() + 0.5
        launch.watch_until(lambda: time.monotonic() > until)
        stage.judge(launch.acknowledged)
        hit([sleeper], signal.SIGCONT)
        assert launch.end() == 0, launch.said()
        stage.judge(launch.acknowledged)


@contextmanager
def disk(stage: Stage, size: int):
    """A file system of its own for the output; gives a function that mounts it anew with other options."""
    place = stage.sweep.folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if os.geteuid() != 0 or subprocess.run([*mount, f"size={size}", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    try:
        stage.sweep.write_spec(output=place / "small.h5")
        yield lambda options: subprocess.run([*mount, f"remount,{options}", "tmpfs", place], check=True)
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def refused(stage: Stage, *words: str):
    """A launch that must end by itself with one sentence that has these words."""
    with stage.launch(1) as launch:
        code = launch.end()
        said = launch.said()
        stage.story.append(said)
        assert code in (1, 2), stage.story
        assert said.count("steergrid: ") == 1 and all(word in said for word in words), said
        yield launch


def a_full_disk(stage: Stage) -> None:
    """Too small a disk is refused in full; once the file is made, its space is its own whatever fills the disk."""
    with disk(stage, 4096 * stage.rng.randrange(8, 40)) as remount:
        with refused(stage, "small.h5", "free"):
            stage.judge(set())
        remount("size=64m")
        with stage.launch() as launch:
            stage.moment(launch)
            hit([launch.process.pid, *launch.pids()], signal.SIGKILL)
            launch.end()
        made = stage.output.exists()
        with (stage.output.parent / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(bytes(1 << 20)):
                    pass
            except OSError:
                stage.story.append("the disk is full")
        if made:
            finish(stage)
        (stage.output.parent / "filler").unlink()
        finish(stage)


def a_write_that_fails(stage: Stage) -> None:
    """In the middle of a run no byte beyond a limit can be written: one sentence, and what was acknowledged stays."""

    def with_an_error_instead_of_a_signal():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    with stage.launch(
        1, fault="slow=100", preexec_fn=with_an_error_instead_of_a_signal, restore_signals=False
    ) as launch:
        launch.watch_until(lambda: launch.acknowledged)
        with h5py.File(stage.output) as file:
            records = file["sched/units"].id.get_offset()  # of every unit that is left
        limit = stage.rng.randrange(8192, records)  # the log, which is shorter, goes on
        stage.story.append(f"no write beyond byte {limit} with {len(launch.acknowledged)} units acknowledged")
        resource.prlimit(launch.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        code = launch.end()
        said = launch.said()
        assert code == 1 and said.count("steergrid: ") == 1 and "small.h5" in said, f"{code}: {said}"
        stage.judge(launch.acknowledged)


def a_read_only_disk(stage: Stage) -> None:
    with disk(stage, 64 << 20) as remount:
        with stage.launch() as launch:
            stage.moment(launch)
            hit([launch.process.pid, *launch.pids()], signal.SIGKILL)
            launch.end()
        remount("ro")
        before = digest(stage.output)
        with refused(stage, "small.h5", "ead-only"):
            assert digest(stage.output) == before
        remount("rw")
        finish(stage)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def a_unit_that_always_crashes(stage: Stage) -> None:
    """It fails with a sentence after its attempts; its neighbours are done, or blocked for want of it."""
    unit = stage.rng.choice([u for u, rows in stage.sound.items() if "mean" not in rows])
    stage.story.append(f"unit {unit} crashes")
    # Without the vectors that its sums were for, evaluations are done with their baselines alone, until it is tried again.
    extracts = "block_sums" in stage.sound[unit]
    blocked = frozenset(u for u, rows in stage.sound.items() if extracts and "letter_logprob" in rows)
    acknowledged: set[int] = set()
    for launches in range(1, 8):
        with stage.launch(fault=f"crash-unit={unit}") as launch:
            launch.watch_until(lambda: False)
            code = launch.end()
            acknowledged |= launch.acknowledged
            stage.judge(acknowledged, blocked)
            if code == 1:
                break
    assert code == 1, f"{stage.story}: after {launches} launches still {code}: {launch.said()}"
    state = states(stage.output)
    assert state[unit] == FAILED and ((state == DONE) | (state == BLOCKED)).sum() == len(state) - 1
    with h5py.File(stage.output) as file:
        assert b"worker died" in file["sched/message"][unit].tobytes()
        evaluations = file["sched/kind"][()] == KIND.index("evaluate")
        assert (state[evaluations & (state != FAILED)] == DONE).all()


def finish(stage: Stage) -> None:
    """The same command, on one rank or three, with what failed tried again: it ends, and the rows are right."""
    ranks = stage.rng.choice([1, RANKS])
    with stage.launch(ranks, "--retry-failed", fault="") as launch:
        code = launch.end()
        assert code == 0, f"{stage.story}: {launch.said()}"
    stage.judge(set(stage.sound))


# Twenty trials cover each at least once; what happens most often comes most often.
TRIALS = [
    *[kill_a_worker, kill_the_coordinator, kill_mpirun, kill_everything] * 3,
    *[stop_a_worker, a_full_disk, a_write_that_fails, a_read_only_disk, a_unit_that_always_crashes],
    *[kill_a_worker, kill_the_coordinator, kill_everything],
]
