"""scripts/gpu_check.sh where no GPU is: that it refuses, and (with stand-ins for the programs of a bundle and for
nvidia-smi) that it passes only if every test ran and passed, and every benchmark."""

import os
import re
import shutil
import subprocess

import pytest
from sweeps import ROOT

PASSES = 'echo "[==========] 2 tests ran."; echo "[  PASSED  ] 2 tests."'
SKIPS = PASSES + '; echo "[  SKIPPED ] 1 test."'
BENCH = 'if [ "$1" = make-model ]; then mkdir "$4" && echo weights >"$4/w"; else echo "| grid | measured |"; fi'


def gpu_check(folder, gpu="GPU 0: stand-in", stream_layers=1, **programs):
    """Runs the script over programs that do what `programs` says; those not named pass."""
    commands = {"steergrid": BENCH, "mpirun": PASSES} | {
        name: PASSES for name in ("test_kernels_cuda", "test_pass_cuda", "test_nccl")
    }
    commands |= programs | {"nvidia-smi": f'case "$*" in -L) echo "{gpu}";; *) echo 4321;; esac'}
    bundle = folder / "bundle" / "bin"
    bundle.mkdir(parents=True)
    for name, command in commands.items():
        (bundle / name).write_text(f"#!/bin/sh\n{command}\n")
        (bundle / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{bundle}:{os.environ['PATH']}"}
    environment.pop("STEERGRID_TORCH_PYTHON", None)
    environment["STEERGRID_STREAM_LAYERS"] = str(stream_layers)
    return subprocess.run([ROOT / "scripts" / "gpu_check.sh", folder / "out", bundle.parent], env=environment,
                          capture_output=True, text=True, check=False)


def test_it_refuses_without_a_gpu(tmp_path):
    done = gpu_check(tmp_path, gpu="")
    assert done.returncode == 1 and "no GPU here" in done.stderr and done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_it_passes_with_all_tests_run_and_shows_the_benchmarks(tmp_path):
    done = gpu_check(tmp_path)
    assert done.returncode == 0, done.stderr
    shown, last = done.stdout.split("\n======\n")  # as each part ends, and all of it last
    for tables in (shown, last):
        assert tables.count("| 2 | 0 | 0 |") == 4 and tables.count("| grid | measured |") == 4
    assert "the same 1 layers in memory" in last and "the disk alone: not measured" in last
    assert "70B cut to 1 of 80 layers, weights streamed" in done.stdout and not (tmp_path / "out/llama-2-70b-cut").exists()
    assert last.count("| memory of the GPU") == 2
    assert "rivals in Python: not run" in done.stdout and "gpu-check: passed" in done.stdout


def test_it_measures_the_disk_alone(tmp_path):
    (tmp_path / "probe").write_bytes(bytes(1 << 20))
    probe = ["dd", f"if={tmp_path / 'probe'}", "of=/dev/null", "bs=1M", "iflag=direct"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no direct reads in the temporary folder")
    model = 'if [ "$1" = make-model ]; then mkdir "$4" && head -c 50M /dev/zero >"$4/a.safetensors"; fi'
    done = gpu_check(tmp_path, steergrid=model)
    assert re.search(r"the disk alone: [1-9]\d* MB/s \(the first 2 GiB of 1 files at once", done.stdout), done.stdout


def test_it_cuts_the_model_that_streams_to_what_the_disk_holds(tmp_path):
    done = gpu_check(tmp_path, stream_layers=10**6)
    assert done.returncode == 0, done.stderr
    layers = int(re.search(r"70B cut to (\d+) of 80 layers", done.stdout)[1])
    assert 0 < layers < shutil.disk_usage(tmp_path).free / 1.7e9


def test_it_says_where_no_disk_holds_the_model_that_streams(tmp_path):
    done = gpu_check(tmp_path, df="echo Avail; echo 4000")
    assert done.returncode == 0 and "not run (4820 MB wanted" in done.stdout and "4000 free" in done.stdout


def test_it_says_where_the_disk_is_too_slow_and_passes_all_the_same(tmp_path):
    done = gpu_check(tmp_path, steergrid='case "$1 $*" in "bench "*streamed*) exit 124;; esac; ' + BENCH)
    assert done.returncode == 0 and "not measured, this disk is too slow for 1 layers" in done.stdout


def test_it_tries_nccl_between_all_gpus_there_are(tmp_path):
    done = gpu_check(tmp_path, gpu="GPU 0: one\nGPU 1: another")
    assert done.returncode == 0 and "| test_nccl_np2 | 2 | 0 | 0 |" in done.stdout


def test_it_finds_the_cuda_libraries_of_a_python(tmp_path):
    packages = tmp_path / "packages" / "nvidia"
    packages.mkdir(parents=True)
    (packages / "__init__.py").touch()
    shown = BENCH.replace("if [", 'echo "libraries: $LD_LIBRARY_PATH"; if [', 1)
    done = gpu_check(tmp_path, steergrid=shown, python3=f'echo "{packages}"')
    assert f"{packages}/cu13/lib:{packages}/nccl/lib\n" in done.stdout


def test_it_names_a_bundle_that_does_not_start(tmp_path):
    done = gpu_check(tmp_path, steergrid="echo no libcudart.so.13 >&2; exit 127")
    assert done.returncode == 1 and "no libcudart.so.13" in done.stderr and "does not start here" in done.stderr


@pytest.mark.parametrize("programs", [{"test_nccl": SKIPS}, {"mpirun": "exit 1"}, {"test_pass_cuda": PASSES + "; exit 3"},
                                      {"test_kernels_cuda": "true"}, {"steergrid": 'case "$1" in bench) exit 2;; esac; ' + BENCH},
                                      {"steergrid": 'case "$*" in *make-model*) exit 2;; esac; ' + BENCH}],
                         ids=["skipped", "no_mpi", "failed", "no_tests", "no_benchmark", "no_model_to_stream"])
def test_it_fails_where_something_did_not_run(tmp_path, programs):
    done = gpu_check(tmp_path, **programs)
    assert done.returncode == 1 and "gpu-check: FAILED" in done.stderr and "passed\n" not in done.stdout.split("|")[-1]
