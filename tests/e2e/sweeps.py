"""A small sweep over the smallest demo model in a folder of its own, and a look into result files."""

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "jobs" / "demo"
MODEL = DEMO / "models" / "demo-0.3m"

SPEC = """\
name: small
output: {output}
seed: 0
models:
  - name: demo
    path: {model}
    dtype: {dtype}
    tensor_parallel: {tensor_parallel}
behaviors:
  - name: refusal
    pairs: {{ file: {demo}/behaviors/refusal/generate_dataset.json, limit: {pairs} }}
    questions: {{ file: {demo}/behaviors/refusal/test_dataset_ab.json, limit: {questions} }}
  - name: sycophancy
    pairs: {{ file: {demo}/behaviors/sycophancy/generate_dataset.json, limit: {pairs} }}
    questions: {{ file: {demo}/behaviors/sycophancy/test_dataset_ab.json, limit: {questions} }}
layers: all
coefficients: {coefficients}
method: {{ name: caa, normalize: behaviors }}
store: {{ activations: {activations} }}
units: {{ pairs: 10, questions: 3 }}
"""


class Sweep:
    """A sweep in a folder of its own."""

    def __init__(self, program: str, folder: Path, **settings):
        self.program = program
        self.folder = folder
        defaults = {
            "demo": DEMO,
            "model": MODEL,
            "output": "small.h5",
            "dtype": "auto",
            "tensor_parallel": "auto",
            "pairs": 40,
            "questions": 9,
            "coefficients": "[-2, 0, 1]",
            "activations": "none",
        }
        self.settings = {**defaults, **settings}
        folder.mkdir(parents=True, exist_ok=True)
        self.write_spec()

    @property
    def output(self) -> Path:
        return self.folder / self.settings["output"]

    def write_spec(self, **changes):
        self.settings.update(changes)
        (self.folder / "sweep.yaml").write_text(SPEC.format(**self.settings))

    def command(self, ranks: int = 1, *arguments: str) -> list[str]:
        launcher = [] if ranks == 1 else ["mpirun", "-n", str(ranks), "--oversubscribe", "--bind-to", "none"]
        return [*launcher, self.program, "run", str(self.folder / "sweep.yaml"), *arguments]

    def start(self, ranks: int = 1, *arguments: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(ranks, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )

    def run(self, ranks: int = 1, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(ranks, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            env={**os.environ, **environment},
        )

    def must_run(self, ranks: int = 1, *arguments: str, **environment: str) -> dict[str, np.ndarray]:
        done = self.run(ranks, *arguments, **environment)
        assert done.returncode == 0, done.stdout
        return datasets(self.output)


def datasets(path: Path) -> dict[str, np.ndarray]:
    """Every numeric dataset under /models, as raw bytes would compare them."""
    found = {}

    def take(name, node):
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "fiu":
            found[name] = node[()]

    with h5py.File(path, "r") as file:
        file["models"].visititems(take)
    return found


def assert_same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]):
    assert a.keys() == b.keys()
    different = [name for name in a if a[name].tobytes() != b[name].tobytes()]
    assert not different


def states(path: Path) -> np.ndarray:
    with h5py.File(path, "r") as file:
        return file["sched/units"]["state"]


def crash_of_hdf5(sound: bytes) -> bytes:
    """The place of one text in its heap made too large, which HDF5 1.10 believes."""
    place = sound.index(b"run_identity") + 16 + 44  # the name, then type, shape, length and the heap's address
    return sound[: place + 1] + b"\xf0" + sound[place + 2 :]
