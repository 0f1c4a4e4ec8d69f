"""The result file as labelled arrays: what is read, in which order, and what is masked."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr

import made_up
from made_up import BLOCKED, EVALUATE, EXTRACT, FAILED, VECTORS, Sweep
from steergrid_analysis import ResultFileError, h5, open_results


def test_the_head_says_what_ran(file_of):
    with open_results(file_of()) as results:
        head = results.head
    assert (head.name, head.seed, head.tool_version, head.plan_fingerprint) == ("made-up", 7, "0.1.0", "00112233aabbccdd")
    assert head.run_identity["backend"] == "cpu"
    assert head.spec.startswith("name: made-up")
    assert head.spec_files[0] == ("data/refusal.json", "e" * 16)
    assert head.launches == [{"started": "2025-01-31T12:00:00Z", "ranks": "3", "pid": "4711", "host": "node01",
                              "binary": "steergrid 0.1.0"}]


def test_models_and_runs_come_in_the_order_of_the_plan_not_of_the_alphabet(file_of):
    with open_results(file_of(Sweep(models={"z-first": 3, "a-second": 4}, behaviors=("refusal", "hedging")))) as results:
        assert results.models() == ["z-first", "a-second"]
        assert results.runs_of("z-first") == results.vectors_of("z-first") == ["refusal", "hedging"]
        assert results.model("a-second").n_layers == 4


def test_a_wrong_name_is_answered_with_the_names_that_are_there(file_of):
    with open_results(file_of()) as results:
        for ask in (lambda: results.run("smal", "refusal"), lambda: results.runs_of("smal"), lambda: results.vectors_of("smal")):
            with pytest.raises(ResultFileError, match="expected the group 'smal', found small, at /models/smal"):
                ask()
        with pytest.raises(ResultFileError, match="expected the group 'refusla', found hedging, refusal, at"):
            results.run("small", "refusla")


def test_a_run_is_labelled_by_question_layer_coefficient_and_letter(file_of):
    with open_results(file_of()) as results:
        run = results.run("small", "refusal")
    assert run["letter_logprob"].dims == ("question", "layer", "coefficient", "letter")
    assert run["letter"].values.tolist() == ["A", "B"]
    assert run["coefficient"].values.tolist() == [-2, -1, 0, 1, 2]
    assert run.sel(coefficient=0.0, layer=3)["letter_logprob"].shape == (12, 2)
    assert run.attrs["coefficient_unit"] == "multiplier"


def test_rows_of_units_that_are_not_done_are_masked_even_where_the_file_holds_numbers(file_of):
    sweep = Sweep()
    path = file_of(sweep)
    second = sweep.unit_numbers(EVALUATE, 0, 0)[1]
    with h5py.File(path, "r+") as file:
        records = file["sched/units"][()]
        records["state"][second] = FAILED
        file["sched/units"][()] = records
    with open_results(path) as results:
        run = results.run("small", "refusal")
    assert run["done"].values.tolist() == [True] * 4 + [False] * 4 + [True] * 4
    for name in ("letter_logprob", "baseline_logprob", "top_logprob", "baseline_top_logprob"):
        assert np.isnan(run[name].values[4:8]).all() and np.isfinite(run[name].values[:4]).all()
    assert (run["top_token"].values[4:8] == -1).all()


def test_vectors_are_nan_until_their_unit_is_done(file_of):
    sweep = Sweep()
    sweep.state = {sweep.unit_numbers(VECTORS, 0, 1)[0]: 0, sweep.unit_numbers(EXTRACT, 0, 1)[1]: 0}
    with open_results(file_of(sweep)) as results:
        finished, absent = results.vectors("small", "refusal"), results.vectors("small", "hedging")
    assert finished.attrs["done"] and np.isfinite(finished["mean"]).all()
    assert not absent.attrs["done"] and np.isnan(absent["mean"]).all() and np.isnan(absent["residual_norm"]).all()
    assert (absent.attrs["blocks_done"], absent.attrs["blocks_total"]) == (1, 2)


def test_units_are_counted_by_state_and_flag(file_of):
    sweep = Sweep(flags={0: 1, 1: 4 | 8, 2: 8})
    first, second, third = sweep.unit_numbers(EVALUATE, 0, 1)
    sweep.state = {first: FAILED, second: BLOCKED, third: 0}
    with open_results(file_of(sweep)) as results:
        counts = results.counts()
    assert (counts.total, counts.done, counts.failed, counts.blocked, counts.absent) == (12, 9, 1, 1, 1)
    assert (counts.non_finite, counts.mixed, counts.baseline_only, counts.reused) == (1, 1, 0, 2) and not counts.complete


def test_a_failed_unit_says_what_it_was_and_why_it_failed(file_of):
    sweep = Sweep()
    unit = sweep.unit_numbers(EVALUATE, 0, 1)[2]
    sweep.state, sweep.message = {unit: FAILED}, {unit: "three attempts, worker died each time — Ende"}
    with open_results(file_of(sweep)) as results:
        failure, = results.failures()
    assert (failure.unit, failure.state, failure.kind) == (unit, "failed", "evaluate")
    assert (failure.model, failure.target, failure.first, failure.count) == ("small", "hedging", 8, 4)
    assert failure.message == "three attempts, worker died each time — Ende"


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_the_made_up_file_opens_with_labelled_axes_in_xarray_itself(file_of, engine):
    if engine == "netcdf4":
        pytest.importorskip("netCDF4")
    with xr.open_dataset(file_of(), group="/models/small/runs/refusal", engine=engine) as run:
        assert run["letter_logprob"].dims == ("question", "layer", "coefficient", "letter")
        assert run["coefficient"].values.tolist() == [-2, -1, 0, 1, 2]


def test_a_file_can_be_read_while_another_process_writes_to_it(file_of):
    path = file_of()
    hold = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"open\n"
        with open_results(path) as results:
            assert results.counts().complete
        writer.stdin.close()


def test_writing_the_same_sweep_twice_gives_the_same_numbers(tmp_path):
    made_up.write(tmp_path / "a.h5"), made_up.write(tmp_path / "b.h5")
    with open_results(tmp_path / "a.h5") as a, open_results(tmp_path / "b.h5") as b:
        assert a.run("small", "refusal").equals(b.run("small", "refusal"))


@pytest.mark.parametrize("index", [[], [3], [2, 3, 4], [11, 0, 1, 2, 7, 6, 6]])
def test_rows_come_in_the_order_in_which_they_are_asked_for(file_of, index):
    with open_results(file_of()) as results:
        rows = results.run_rows("small", "refusal")
        found = h5.rows(rows.array("letter_logprob"), np.array(index, dtype=np.int64))
        assert np.array_equal(found, results.run("small", "refusal")["letter_logprob"].values[index])


def test_rows_know_what_is_done_and_what_could_be_steered(file_of):
    sweep = Sweep()
    first, second, _ = sweep.unit_numbers(EVALUATE, 0, 0)
    sweep.flags, sweep.state = {first: 2}, {second: FAILED, sweep.unit_numbers(EXTRACT, 0, 0)[1]: 0}
    with open_results(file_of(sweep)) as results:
        run, vectors = results.run_rows("small", "refusal"), results.vector_rows("small", "refusal")
    assert run.done.tolist() == [True] * 4 + [False] * 4 + [True] * 4
    assert run.steered.tolist() == [False] * 8 + [True] * 4
    assert vectors.done and vectors.blocks == [(0, 4), (4, 4)] and vectors.pairs_done().tolist() == [True] * 4 + [False] * 4
    assert vectors.pairs[5] == ("question 5", "matching_text 5", "other_text 5") and vectors.activations is None


def test_an_error_says_which_file_is_meant(file_of):
    path = file_of()
    with h5py.File(path, "r+") as file:
        del file["models/small/runs/refusal/layer"]
    with open_results(path) as results, pytest.raises(ResultFileError, match=f"refusal/layer of {path}$"):
        results.run_rows("small", "refusal")
