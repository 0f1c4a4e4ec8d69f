"""Fixtures of the trials: an undisturbed run to compare with, and a stage for one trial."""

import os
import random
import time

import pytest
from evidence import rows_by_unit
from launch import Launch
from sweeps import Sweep, assert_same_bits, datasets
from trials import ONE_THREAD, RANKS, SLOW, Stage

SEED = os.environ.get("SEED", str(random.randrange(1 << 32)))
SIZES = {"pairs": 60, "questions": 24, "activations": "float16"}


@pytest.fixture(scope="session", name="calm")
def _calm(program, faulty, tmp_path_factory):
    """An undisturbed run: its path, and how long it takes when it is slowed down as the trials are."""
    folder = tmp_path_factory.mktemp("calm")
    calm = Sweep(program, folder / "calm", **SIZES)
    calm.must_run(1, *ONE_THREAD)
    slow = Sweep(faulty, folder / "slow", **SIZES)
    begin = time.monotonic()
    with Launch(slow.command(RANKS, *ONE_THREAD), slow.output, SLOW) as launch:
        assert launch.end() == 0, launch.said()
    seconds = time.monotonic() - begin
    assert_same_bits(datasets(calm.output), datasets(slow.output))
    return calm.output, seconds


@pytest.fixture(name="stage")
def _stage(faulty, calm, tmp_path, request):
    rng = random.Random(f"{SEED} {request.node.name}")
    stage = Stage(Sweep(faulty, tmp_path / "sweep", **SIZES), rows_by_unit(calm[0]), calm[1], rng)
    stage.story.append(f"SEED={SEED}")
    return stage
