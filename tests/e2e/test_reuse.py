"""`run --reuse old.h5`: a grown sweep copies what is the same and ends in the bits of a run from nothing."""

import json
import shutil
import subprocess
from subprocess import PIPE

import h5py
import numpy as np
import pytest
from sweeps import MODEL, assert_same_bits, datasets

DONE, MIXED, REUSED = 1, 4, 8
EXTRACT, VECTORS, EVALUATE = 0, 1, 2
QUIET = ("--threads", "1")


def copied(path) -> dict[int, tuple[int, int]]:
    """By kind of unit: how many were copied, of how many."""
    with h5py.File(path) as file:
        units, kind = file["sched/units"][()], file["sched/kind"][()]
        assert (units["state"] == DONE).all()
    reused = (units["flags"] & REUSED) != 0
    return {k: (int(reused[kind == k].sum()), int((kind == k).sum())) for k in (EXTRACT, VECTORS, EVALUATE)}


def effort(s) -> dict:
    """What `status` says of a sweep."""
    return json.loads(subprocess.run([s.program, "status", "--json", s.output], stdout=PIPE, check=True).stdout)


def without_sycophancy(sweep) -> None:
    spec = sweep.folder / "sweep.yaml"
    lines = spec.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if "name: sycophancy" in line)
    spec.write_text("".join(lines[:at] + lines[at + 3 :]))


def with_a_model_of_another_dtype(sweep) -> None:
    spec = sweep.folder / "sweep.yaml"
    another = f"  - name: demo32\n    path: {MODEL}\n    dtype: float32\n"
    spec.write_text(spec.read_text().replace("behaviors:\n", another + "behaviors:\n", 1))


def not_normalised(sweep) -> None:
    spec = sweep.folder / "sweep.yaml"
    spec.write_text(spec.read_text().replace("normalize: behaviors", "normalize: none"))


def test_a_new_behavior_leaves_the_old_ones_units_as_they_were(sweep):
    old, new, fresh = sweep("old"), sweep("new"), sweep("fresh")
    for s in (old, new, fresh):
        not_normalised(s)
    without_sycophancy(old)
    old.must_run(1, *QUIET)
    done = new.run(3, *QUIET, "--reuse", str(old.output))
    assert done.returncode == 0 and "reused from" in done.stdout, done.stdout
    assert "4 of 8 extract units, 1 of 2 vectors, 3 of 6 evaluate units" in done.stdout
    assert copied(new.output) == {EXTRACT: (4, 8), VECTORS: (1, 2), EVALUATE: (3, 6)}
    assert_same_bits(fresh.must_run(1, *QUIET), datasets(new.output))


def test_a_model_of_another_dtype_leaves_the_old_ones_units_as_they_were(sweep):
    """Also where the GEMM library has other kernels for it; but the dtype of both must be computed alike."""
    old, new, fresh = sweep("old", dtype="bfloat16"), sweep("new", dtype="bfloat16"), sweep("fresh", dtype="bfloat16")
    old.must_run(1, *QUIET)
    for s in (new, fresh):
        with_a_model_of_another_dtype(s)
    bits = new.must_run(1, *QUIET, "--reuse", str(old.output))
    assert copied(new.output) == {EXTRACT: (8, 16), VECTORS: (2, 4), EVALUATE: (6, 12)}
    assert_same_bits(fresh.must_run(1, *QUIET), bits)

    fewer = sweep("fewer", dtype="bfloat16")
    assert_same_bits(fewer.must_run(1, *QUIET, "--reuse", str(new.output)), datasets(old.output))
    with h5py.File(new.output, "r+") as file:
        identity = json.loads(file.attrs["run_identity"])
        assert set(identity["isa"]) == {"bfloat16", "float32"}
        identity["isa"]["bfloat16"] = "abacus"
        file.attrs["run_identity"] = json.dumps(identity)
    done = sweep("other", dtype="bfloat16").run(1, *QUIET, "--reuse", str(new.output))
    assert done.returncode == 2 and 'isa.bfloat16: file "abacus", this run "' in done.stdout, done.stdout


@pytest.mark.parametrize(
    "grown, expected",
    [
        ({"questions": 14}, {EXTRACT: (8, 8), VECTORS: (2, 2), EVALUATE: (6, 10)}),  # whole blocks of questions
        ({"pairs": 57}, {EXTRACT: (8, 12), VECTORS: (0, 2), EVALUATE: (0, 6)}),  # other vectors, so other cells
        ({"coefficients": "[-2, 0, 1, 3]"}, {EXTRACT: (8, 8), VECTORS: (2, 2), EVALUATE: (0, 6)}),
    ],
    ids=["questions", "pairs", "coefficients"],
)
def test_growth_reuses_whole_units_and_gives_the_bits_of_a_run_from_nothing(sweep, grown, expected):
    settings = {"activations": "float16"}
    old = sweep("old", **settings)
    old.must_run(1, *QUIET)
    new, fresh = sweep("new", **settings, **grown), sweep("fresh", **settings, **grown)
    bits = new.must_run(1, *QUIET, "--reuse", str(old.output))
    assert copied(new.output) == expected
    assert_same_bits(fresh.must_run(1, *QUIET), bits)
    assert_same_bits(bits, new.must_run(1, *QUIET, "--reuse", str(old.output)))  # again: nothing to do


def test_the_effort_of_a_sweep_is_its_own(sweep):
    """Not the copied units': their times are those of the run that computed them, long ago."""
    old, new = sweep("old"), sweep("new", questions=12)
    old.must_run(1, *QUIET)
    with h5py.File(old.output, "r+") as file:
        units = file["sched/units"][()]
        units["started"] -= 10**15  # each took eleven days
        file["sched/units"][...] = units
    done = new.run(1, *QUIET, "--reuse", str(old.output))
    assert done.returncode == 0 and ", 16 reused, 0 failed," in done.stdout, done.stdout
    status = effort(new)
    assert status["units"]["done"] == status["units"]["total"] == 18 and status["units"]["reused"] == 16
    assert [status["models"][0][kind]["reused"] for kind in ("extract", "vectors", "evaluate")] == [8, 2, 6]
    assert 0 < status["seconds_at_work"] < 1000 and 0 < status["worker_hours"] < 1
    words = subprocess.run([new.program, "status", new.output], stdout=PIPE, text=True, check=True).stdout
    assert "units  18 of 18 done, 16 reused from another file;" in words

    again = sweep("again")
    again.must_run(1, *QUIET, "--reuse", str(old.output))  # nothing is left to compute
    status = effort(again)
    assert status["finished"] and status["units"]["reused"] == 16
    assert status["seconds_at_work"] == status["worker_hours"] == 0 and status["cells_per_second"] is None


def test_an_old_file_that_is_none_is_refused_before_anything_is_made(sweep, tmp_path):
    old = sweep("old")
    old.must_run(1, *QUIET)
    text, cut, missing = tmp_path / "text.h5", tmp_path / "cut.h5", tmp_path / "missing.h5"
    text.write_text("no HDF5\n")
    cut.write_bytes(old.output.read_bytes()[:20_000])
    for file in (text, cut, missing):
        new = sweep(f"new-{file.stem}", questions=12)
        done = new.run(1, *QUIET, "--reuse", str(file))
        assert done.returncode == 2 and done.stdout.count("steergrid: ") == 1 and file.name in done.stdout, done.stdout
        assert not new.output.exists()
    done = old.run(1, *QUIET, "--reuse", str(old.output))
    assert done.returncode == 2 and "own output" in done.stdout


def test_rows_that_are_not_what_was_committed_are_refused(sweep):
    old, new = sweep("old"), sweep("new", questions=12)
    old.must_run(1, *QUIET)
    with h5py.File(old.output, "r+") as file:
        file["models/demo/runs/refusal/letter_logprob"][4, 0, 0, 0] = -0.5
    done = new.run(3, *QUIET, "--reuse", str(old.output))
    assert done.returncode == 2 and "checksum" in done.stdout and "old/small.h5" in done.stdout, done.stdout
    assert_same_bits(sweep("fresh", questions=12).must_run(1, *QUIET), new.must_run(1, *QUIET))  # the same, without


def test_tables_that_contradict_each_other_are_refused(sweep):
    old, new = sweep("old"), sweep("new", questions=12)
    old.must_run(1, *QUIET)
    for name, value in (("first", 1 << 30), ("target", 77), ("model", -1)):
        bad = old.folder / f"{name}.h5"
        shutil.copy(old.output, bad)
        with h5py.File(bad, "r+") as file:
            file[f"sched/{name}"][-1] = value
        done = new.run(1, *QUIET, "--reuse", str(bad))
        assert done.returncode == 2 and done.stdout.count("steergrid: ") == 1, done.stdout
        new.output.unlink(missing_ok=True)


def test_another_identity_needs_allow_mixed_and_leaves_its_mark(sweep):
    old, new = sweep("old"), sweep("new", questions=12)
    old.must_run(1, *QUIET)
    with h5py.File(old.output, "r+") as file:
        identity = file.attrs["run_identity"]
        identity = identity.decode() if isinstance(identity, bytes) else identity
        file.attrs["run_identity"] = identity.replace('"backend":"cpu"', '"backend":"abacus"')
    done = new.run(1, *QUIET, "--reuse", str(old.output))
    assert done.returncode == 2 and "abacus" in done.stdout and "--allow-mixed" in done.stdout, done.stdout
    new.must_run(1, *QUIET, "--reuse", str(old.output), "--allow-mixed")
    with h5py.File(new.output) as file:
        flags = file["sched/units"]["flags"]
    assert np.all((flags & MIXED) != 0)  # the copied ones, and what was computed with the copied vectors


def test_a_damaged_plan_in_the_old_file_is_refused_and_crashes_nobody(sweep):
    old = sweep(pairs=6, questions=3)
    old.must_run(1, *QUIET)
    with h5py.File(old.output) as file:
        text = file["spec/plan"][()]
    place = old.output.read_bytes().index(text) - 7
    with old.output.open("r+b") as raw:  # its length in the heap, which HDF5 1.10 believes
        raw.seek(place)
        raw.write(b"\x7f")
    done = sweep("new", output="new.h5", pairs=6, questions=3).run(1, *QUIET, "--reuse", str(old.output))
    assert done.returncode == 2 and f"{old.output}: damaged" in done.stdout, done.stdout
