"""`steergrid verify` as a user calls it: on sweeps of the smallest demo model, and on damaged and published results."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from made_up import published_name
from sweeps import crash_of_hdf5

SMALL = {"pairs": 12, "questions": 4, "coefficients": "[-1, 0, 1]"}


def verified(program, results, other, *options, code):
    command = [program, "verify", results, "--against", other, *options]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code < 2 else done.stderr


@pytest.fixture(name="alone")
def swept_by_one_rank(sweep):
    s = sweep("alone", **SMALL)
    s.must_run(1)
    return s.output


def test_one_rank_and_three_give_the_same_bits(sweep, program, alone):
    three = sweep("three", **SMALL)
    three.must_run(3)
    lines = verified(program, alone, three.output, code=0).splitlines()
    assert [line.split(" (")[0] for line in lines[2:]] == [
        "plan: the same", "identity: the same", "vectors demo/refusal: the same bits", "vectors demo/sycophancy: the same bits",
        "run demo/refusal: the same bits", "run demo/sycophancy: the same bits", "verdict: the same bits"]


def test_another_dtype_is_named_and_passes_within_its_tolerance_only(sweep, program, alone):
    wide = sweep("wide", dtype="float32", **SMALL)
    wide.must_run(1)
    text = verified(program, alone, wide.output, code=1)
    assert "  models[demo].dtype: bfloat16; other float32\n" in text and "\n  demo.dtype: bfloat16; other float32\n" in text
    assert "verdict: not the same: probabilities differ by up to " in text
    found = json.loads(verified(program, alone, wide.output, "--tolerance", "0.02", "--json", code=0))
    largest = max(run["probability"]["value"] for run in found["runs"])
    assert found["verdict"] == "within" and 0 < largest < 0.02
    verified(program, alone, wide.output, "--tolerance", largest / 2, code=1)


def test_a_grown_sweep_agrees_in_what_both_have(sweep, program, alone):
    grown = sweep("grown", **{**SMALL, "questions": 6, "coefficients": "[-1, 0, 2]"})
    grown.must_run(1)
    text = verified(program, alone, grown.output, code=0)
    assert "  demo/refusal: questions: 2 only in the other\n" in text
    assert "coefficients: 1 only in the results (1 multiplier), 1 only in the other (2 multiplier)" in text
    assert text.endswith("verdict: the same bits in all that was compared\n")


def test_a_changed_bit_is_found(program, alone, tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(alone.read_bytes())
    with h5py.File(other, "r+") as file:
        values = file["models/demo/runs/sycophancy/baseline_top_token"]
        values[2] ^= 1
    text = verified(program, alone, other, code=1)
    assert "run demo/sycophancy: other bits in 1 of " in text and "another likeliest token in 1 place" in text


def test_damaged_files_are_one_sentence_on_either_side(program, alone, tmp_path):
    cut, text, crash = (tmp_path / name for name in ("cut.h5", "text.h5", "crash.h5"))
    cut.write_bytes(alone.read_bytes()[:50_000])
    text.write_text("no result")
    crash.write_bytes(crash_of_hdf5(alone.read_bytes()))
    for damaged in (cut, text, crash, tmp_path / "none.h5"):
        for pair in ((alone, damaged), (damaged, alone)):
            said = verified(program, *pair, code=2)
            assert said.count("\n") == 1 and str(damaged) in said, said


def test_a_run_agrees_with_what_is_published_of_it(program, alone, tmp_path):
    with h5py.File(alone) as file:
        run = file["models/demo/runs/refusal"]
        texts, letters = run["text"].asstr()[()], run["letter"].asstr()[()]
        p = np.exp(run["letter_logprob"][()])
        for layer in range(p.shape[1]):
            for index, multiplier in enumerate(run["coefficient"][()]):
                items = [{"question": text, "answer_matching_behavior": f"({letters[match]})", "a_prob": a, "b_prob": b}
                         for text, match, (a, b) in zip(texts, run["matching_letter"][()], p[:, layer, index].tolist())]
                (tmp_path / "published").mkdir(exist_ok=True)
                (tmp_path / "published" / published_name(layer, multiplier)).write_text(json.dumps(items))
    text = verified(program, alone, tmp_path / "published", code=0)
    assert "run demo/refusal: " in text and "(4 questions, 12 published cells, 48 items)" in text
    path = tmp_path / "published" / published_name(2, -1.0)
    path.write_text(path.read_text().replace('"a_prob": ', '"a_prob": 0.5, "was": '))
    assert "layer 2, coefficient -1" in verified(program, alone, path.parent, code=1)
    path.write_text("{}")
    said = verified(program, alone, path.parent, code=2)
    assert said.count("\n") == 1 and "expected a list of items, found an object" in said


def test_an_answer_that_cannot_be_written_is_no_verdict(program, alone):
    with open("/dev/full", "w") as full:
        command = [program, "verify", alone, "--against", alone]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and "standard output: expected to write all of the answer" in done.stderr


def test_a_python_that_cannot_compare_is_no_disagreement(program, alone, tmp_path):
    bare, broken = tmp_path / "python", tmp_path / "broken"
    bare.write_text(f"#!/bin/sh\nexec {sys.executable} -I -S \"$@\"\n")
    broken.write_text(f"#!/bin/sh\nPYTHONPATH={tmp_path}:$PYTHONPATH exec {sys.executable} \"$@\"\n")
    (tmp_path / "h5py.py").write_text("raise ImportError('no libhdf5')")
    for python in (bare, broken):
        python.chmod(0o755)
    for python, why in ((bare, "lacks steergrid_analysis"), (broken, "ImportError: no libhdf5"),
                        (tmp_path / "none", "No such file or directory")):
        command = [program, "verify", alone, "--against", alone]
        done = subprocess.run(command, env={**os.environ, "STEERGRID_PYTHON": str(python)}, capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and f"({why})" in done.stderr, done.stderr
