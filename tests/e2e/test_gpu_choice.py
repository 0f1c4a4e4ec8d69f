"""Where a launch computes: what is said without a GPU, and, on the emulated one, who takes it and with which bits."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from sweeps import Sweep, assert_same_bits, datasets

TINY = {"pairs": 2, "questions": 1, "coefficients": "[1]", "dtype": "bfloat16"}


@pytest.fixture(name="on_gpu")
def _on_gpu(program, tmp_path):
    emulated = Path(program).parent / "tests/kernels/emulated/steergrid_emulated"
    if not emulated.is_file():
        pytest.skip("this build has no emulated GPU")
    return lambda name, **settings: Sweep(str(emulated), tmp_path / name, **{**TINY, **settings})


def test_a_gpu_that_is_not_there_is_said_once(sweep):
    done = sweep().run(3, "--backend", "cuda")
    assert done.returncode == 2
    assert done.stdout.count("no CUDA") == 1, done.stdout


def test_the_log_says_what_a_worker_computes_on_not_what_it_was_shown(sweep):
    done = sweep(**TINY).run(3, "--backend", "cpu", CUDA_VISIBLE_DEVICES="3,5")
    assert done.returncode == 0, done.stdout
    assert ": worker 0 of 2, CPUs, CUDA_VISIBLE_DEVICES=3,5\n" in done.stdout, done.stdout


def test_two_workers_on_one_gpu_are_refused_by_name(on_gpu):
    done = on_gpu("two").run(3)
    assert done.returncode == 2
    assert "ranks 1 and 2 on" in done.stdout and "--share-gpus" in done.stdout


def test_workers_take_gpus_and_give_the_same_bits_shared_or_not_naive_or_forked(on_gpu, sweep):
    one = on_gpu("one")
    done = one.run(2)
    assert done.returncode == 0 and ": worker 0 of 1, GPU 0 of 1, Emulated GPU, GPU-" in done.stdout, done.stdout
    found = datasets(one.output)
    with h5py.File(one.output) as file:
        assert b"cuda 1 x Emulated GPU" in file["sched/launches"][0]["devices"].tobytes()
    assert_same_bits(found, on_gpu("shared").must_run(3, "--share-gpus", "--backend", "cuda"))
    assert_same_bits(found, on_gpu("naive").must_run(1, "--naive", "--backend", "cuda"))
    cpu = sweep("cpu", **TINY).must_run(1)
    for run in ("refusal", "sycophancy"):
        name = f"demo/runs/{run}/letter_logprob"
        assert np.abs(found[name] - cpu[name]).max() < 0.1


def test_a_team_of_two_on_one_gpu_moves_its_partials_through_host_memory(on_gpu):
    one = on_gpu("tp1", dtype="float32").must_run(1, "--backend", "cuda")
    two = on_gpu("tp2", dtype="float32", tensor_parallel=2).must_run(3, "--share-gpus", "--backend", "cuda")
    name = "demo/runs/refusal/letter_logprob"
    assert np.abs(one[name] - two[name]).max() < 1e-4
