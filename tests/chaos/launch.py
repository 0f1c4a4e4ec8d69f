"""One launch of a sweep that is going to be hurt: its processes, what it has acknowledged, its end.

Not a test. `trials.py` decides what happens to a launch; `evidence.py` judges what it leaves behind.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import h5py

END = 60  # seconds after which a launch that should have ended counts as hanging; it takes about one


def children(pid: int) -> list[int]:
    """All descendants of a process, parents first."""
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    except OSError:
        pass  # it has just ended
    return found


def rank_of(pid: int) -> int | None:
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    for word in words:
        if word.startswith(b"OMPI_COMM_WORLD_RANK="):
            return int(word.split(b"=")[1])
    return None


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def hit(pids, what: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            pass


class Launch:
    """A running sweep. As a context manager it leaves no process and no session folder behind."""

    def __init__(self, command: list[str], output: Path, fault: str = "", **popen):
        self.output = output
        self.acknowledged: set[int] = set()  # units whose record said "done" while it ran
        self.temporary = tempfile.mkdtemp(prefix="sg")
        environment = {
            **os.environ,
            "STEERGRID_FAULT": fault,
            "TMPDIR": self.temporary,
            "OMPI_MCA_btl_vader_backing_directory": self.temporary,  # killed ranks leave their segments
            "OMP_NUM_THREADS": "1",
        }
        self.log = Path(self.temporary) / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True, **popen
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pids = [*self.pids(), self.process.pid]
        hit(pids, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def pids(self) -> list[int]:
        return children(self.process.pid)

    def ranks(self) -> dict[int, int]:
        """Process ids by rank; one process without mpirun is rank 0."""
        found = {rank: pid for pid in self.pids() if (rank := rank_of(pid)) is not None}
        return found or {0: self.process.pid}

    def running(self) -> bool:
        return self.process.poll() is None

    def look(self) -> int:
        """Notes which units the file calls done at this moment; how many."""
        try:
            with h5py.File(self.output, "r") as file:
                state = file["sched/units"]["state"]
        except OSError:
            return 0  # not there yet
        self.acknowledged |= {int(u) for u in (state == 1).nonzero()[0]}
        return len(self.acknowledged)

    def watch_until(self, moment) -> None:
        """Looks at the file until `moment()` is true or the launch ends."""
        while self.running() and not moment():
            self.look()
            time.sleep(0.005)

    def wait_for_creation(self) -> None:
        """Returns the instant somebody begins to make the file."""
        begun = Path(f"{self.output}.tmp")
        while self.running() and not begun.exists() and not self.output.exists():
            time.sleep(0.0002)

    def end(self, others: list[int] = ()) -> int:
        """Waits until mpirun and all of its ranks have ended; the exit code. A rank that hangs is a failure; mpirun
        alone may (Open MPI 4.1 was seen to wait for ever for a lock of its own in PMIx_server_finalize)."""
        pids = {self.process.pid, *self.pids(), *others}
        deadline = time.monotonic() + END
        while any(alive(pid) for pid in pids):
            self.process.poll()
            if time.monotonic() > deadline:
                still = [pid for pid in pids if alive(pid)]
                hit(still, signal.SIGKILL)
                if still == [self.process.pid] and len(pids) > 1:
                    break
                raise AssertionError(f"after {END} s still running: {still}\n{self.said()}")
            time.sleep(0.01)
        return self.process.wait()

    def said(self) -> str:
        return self.log.read_text(errors="replace")
