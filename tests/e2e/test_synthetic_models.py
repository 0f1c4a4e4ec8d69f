"""Sweeps over models whose weights are made up: "path: random:..."."""

import subprocess

import h5py
import numpy as np
import pytest
from sweeps import assert_same_bits

SMALL = "random:hidden=64,layers=3,heads=4,kv_heads=2,vocabulary=300"
FEW = {"pairs": 6, "questions": 3, "coefficients": "[0, 1]"}


def test_a_synthetic_model_runs_and_is_named_in_the_file(sweep, program):
    small = sweep("small", model=SMALL, **FEW)
    results = small.must_run(1)
    assert np.isfinite(results["demo/runs/refusal/letter_logprob"]).all()
    with h5py.File(small.output) as file:
        model = file["models/demo"].attrs
        assert model["path"] == SMALL
        assert model["identity"].startswith("random:hidden=64,layers=3,") and model["identity"].endswith("?seed=0")
    assert_same_bits(results, sweep("teams", model=SMALL, **FEW).must_run(3))
    told = subprocess.run([program, "status", small.output], capture_output=True, text=True, check=True).stdout
    assert f"demo: weights made up ({SMALL}): its answers mean nothing" in told


def test_seeds_give_different_results_and_a_resume_under_another_is_refused(sweep):
    small = sweep("small", model=SMALL, **FEW)
    first = small.must_run(1)["demo/runs/refusal/letter_logprob"]
    other = sweep("other", model=SMALL + "?seed=1", **FEW).must_run(1)["demo/runs/refusal/letter_logprob"]
    assert (first != other).all()
    small.write_spec(model=SMALL + "?seed=1")
    refused = small.run(1)
    assert refused.returncode == 2 and "seed=1" in refused.stdout, refused.stdout


@pytest.mark.parametrize("name, problem", [("random:llama-2-8b", "found 'llama-2-8b'"),
                                           ("random:llama-2-7b,layers=none", "layers: expected a number")])
def test_a_wrong_name_is_told_with_its_place(sweep, name, problem):
    wrong = sweep("wrong", model=name, **FEW).run(1)
    assert wrong.returncode == 2
    assert f"sweep.yaml:5:5: models[0]: {name}: " in wrong.stdout and problem in wrong.stdout, wrong.stdout


@pytest.mark.parametrize("degree, ranks", [(1, 1), (2, 3)])
def test_a_written_checkpoint_gives_the_bits_of_the_name(sweep, program, tmp_path, degree, ranks):
    written = tmp_path / "written"
    made = subprocess.run([program, "make-model", SMALL, "-o", written, "--shard-size", "60kB"], capture_output=True,
                          text=True, check=True)
    assert "random:hidden=64,layers=3," in made.stdout
    assert len(list(written.glob("*.safetensors"))) > 2
    direct = sweep("direct", model=SMALL, tensor_parallel=degree, **FEW).must_run(ranks)
    assert_same_bits(direct, sweep("read", model=written, tensor_parallel=degree, **FEW).must_run(ranks))


def test_make_model_says_what_it_cannot_do(program, tmp_path):
    def said(*arguments):
        done = subprocess.run([program, "make-model", *arguments], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    (tmp_path / "file").touch()
    code, text = said(SMALL, "-o", str(tmp_path))
    assert code == 2 and "expected a new or empty folder" in text
    code, text = said("llama-2-7b", "-o", str(tmp_path / "new"))
    assert code == 2 and "expected a synthetic model such as random:llama-2-7b" in text
