"""Whatever happens to a launch, nothing acknowledged is lost and the same command ends in an undisturbed run's bits.

`make chaos TRIALS=200` runs more trials than `make check` does (20); SEED=... repeats one that failed.
"""

import os
import shutil
import signal

import pytest
from evidence import damage
from launch import hit
from sweeps import assert_same_bits, datasets, h5py
from trials import SLOW, TRIALS, finish

COUNT = int(os.environ.get("TRIALS", "20"))

pytestmark = pytest.mark.long


@pytest.mark.parametrize("trial", range(COUNT), ids=lambda i: f"{i:03}-{TRIALS[i % len(TRIALS)].__name__}")
def test_a_trial_loses_nothing_and_ends_in_the_same_bits(stage, calm, trial):
    TRIALS[trial % len(TRIALS)](stage)
    if stage.output.parent == stage.sweep.folder:  # else the trial has done this on a disk of its own
        finish(stage)
        assert_same_bits(datasets(calm[0]), datasets(stage.output))


def test_the_trials_catch_a_result_that_is_acknowledged_before_it_is_written(stage):
    """The wrong order on purpose (`late-data`): trials that cannot see it prove nothing."""
    for _ in range(5):
        stage.output.unlink(missing_ok=True)
        with stage.launch(fault=f"{SLOW},late-data") as launch:
            enough = stage.rng.randrange(3, len(stage.sound) - 8)
            launch.watch_until(lambda: len(launch.acknowledged) >= enough)
            hit([launch.process.pid, *launch.pids()], signal.SIGKILL)
            launch.end()
        if any("is called done: wrong bits" in line for line in damage(stage.output, launch.acknowledged, stage.sound)):
            return
    pytest.fail("five launches with a wrong commit order, and nothing was noticed")


def test_the_wrong_order_alone_harms_nothing(stage):
    """So what the test above catches is the kill between the record and the rows."""
    with stage.launch(fault="late-data") as launch:
        assert launch.end() == 0, launch.said()
    stage.judge(set(stage.sound))


def test_a_lost_record_and_a_changed_value_are_noticed(stage, calm, tmp_path):
    units = set(stage.sound)
    assert not damage(calm[0], units, stage.sound)
    lost, changed, cut = (tmp_path / f"{name}.h5" for name in ("lost", "changed", "cut"))
    for copy in (lost, changed):
        shutil.copy(calm[0], copy)
    with h5py.File(lost, "r+") as file:
        records = file["sched/units"]
        record = records[5]
        record["state"] = 0
        records[5] = record
    with h5py.File(changed, "r+") as file:
        file["models/demo/runs/refusal/letter_logprob"][3, 1, 0, 1] += 1e-12
    cut.write_bytes(calm[0].read_bytes()[:10_000])
    assert damage(lost, units, stage.sound) == ["unit 5 was acknowledged and is lost"]
    assert len(damage(changed, units, stage.sound)) == 1
    assert "does not open" in damage(cut, units, stage.sound)[0]
