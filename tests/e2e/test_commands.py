"""plan, validate, status, report and doctor, as a user calls them."""

import json
import os
import re
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import xarray
from sweeps import DEMO, states


def call(program, *arguments, code=0, **more):
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    assert done.returncode == code, done.stdout
    return done.stdout


def test_plan_counts_cells_and_units_and_sets_naive_against_forks(sweep, program):
    text = call(program, "plan", sweep().folder / "sweep.yaml", "--ranks", 5)
    for word in ("demo", "refusal", "cells", "units", "tokens", "naive", "team"):
        assert word in text.lower(), text


def test_plan_needs_no_mpi(sweep, program):
    done = subprocess.run(
        [program, "plan", str(sweep().folder / "sweep.yaml")], env={"PATH": "/nonexistent"}, capture_output=True
    )
    assert done.returncode == 0, done.stderr


def test_validate_accepts_the_demo(program):
    call(program, "validate", DEMO / "sweep.yaml")


def test_doctor_says_what_it_found(program, tmp_path):
    text = call(program, "doctor", "--output", tmp_path)
    for word in ("MPI", "HDF5", "CPU", "file system"):
        assert word in text, text


def what_doctor_says_of_the_report(program, **environment):
    without = {name: value for name, value in os.environ.items() if name != "STEERGRID_PYTHON"}
    lines = call(program, "doctor", env={**without, **environment}).splitlines()
    return next(line for line in lines if line.split()[1] == "report")


def test_doctor_looks_at_the_python_that_report_would_take(program, tmp_path):
    assert what_doctor_says_of_the_report(program, STEERGRID_PYTHON="") == what_doctor_says_of_the_report(program)
    python = tmp_path / "it's a $(touch owned) python"
    python.write_text(f'#!/bin/sh\nexec {os.environ.get("STEERGRID_PYTHON") or sys.executable} "$@"\n')
    python.chmod(0o755)
    assert "has steergrid_analysis" in what_doctor_says_of_the_report(program, STEERGRID_PYTHON=str(python))
    assert "No such file" in what_doctor_says_of_the_report(program, STEERGRID_PYTHON="/no/python")


def test_status_follows_a_run_and_counts_at_the_end(sweep, program):
    s = sweep(pairs=100, questions=30)
    process = s.start(1, "--naive")
    while not s.output.exists() and process.poll() is None:
        time.sleep(0.01)
    during = call(program, "status", s.output)
    assert "units" in during
    process.wait(timeout=120)
    after = json.loads(call(program, "status", s.output, "--json"))
    assert after["units"]["done"] == after["units"]["total"] > 0


def test_values_that_are_not_finite_are_told_when_a_run_ends_and_by_status(sweep, program):
    s = sweep(coefficients="[0, 1, 3.0e+38]", pairs=10, questions=3)
    done = s.run(1, "--verbose")
    assert done.returncode == 0 and "values that are not finite" in done.stdout, done.stdout
    assert "with values that are not finite" in call(program, "status", s.output)


def test_report_writes_a_page_figures_and_tables(sweep, program, tmp_path):
    s = sweep()
    s.must_run(1)
    call(program, "report", s.output, "-o", tmp_path / "report")
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
    for suffix in ("png", "pdf", "csv"):
        assert list((tmp_path / "report").rglob(f"*.{suffix}")), suffix


def test_report_passes_on_the_coefficient_and_the_convention(sweep, program, tmp_path):
    s = sweep()
    s.must_run(1)
    call(program, "report", s.output, "-o", tmp_path / "report", "--coefficient", "1", "--convention", "letters")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "reported at c = 1, as asked for" in page and "p(matching) / p(all letters)" in page
    assert "found 123, at --coefficient" in call(program, "report", s.output, "--coefficient", "123", code=2)


def test_report_takes_a_file_that_looks_like_an_option(sweep, program, tmp_path):
    s = sweep()
    s.must_run(1)
    (tmp_path / "-x.h5").write_bytes(s.output.read_bytes())
    command = [program, "report", "--coefficient", "123", "--", "-x.h5"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "found 123, at --coefficient" in done.stderr, done.stderr


def test_coefficient_zero_holds_the_baselines_bits(sweep):
    s = sweep()
    s.must_run(1)
    with h5py.File(s.output) as file:
        run = file["models/demo/runs/refusal"]
        zero = list(run["coefficient"]).index(0)
        baseline = run["baseline_logprob"][()]
        for layer in range(run["layer"].size):
            assert run["letter_logprob"][:, layer, zero].tobytes() == baseline.tobytes()


def test_stored_activations_give_the_stored_vectors(sweep):
    s = sweep(activations="float32")
    s.must_run(1)
    with h5py.File(s.output) as file:
        source = file["models/demo/vectors/refusal"]
        activations = file["models/demo/activations/refusal/activations"][()]
        difference = (activations[:, 0] - activations[:, 1]).astype(np.float64)
        assert np.allclose(difference.mean(0), source["mean"][()], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("engine", ["h5netcdf", pytest.param("netcdf4", marks=pytest.mark.long)])
def test_xarray_reads_labelled_axes(sweep, engine):
    s = sweep()
    s.must_run(1)
    run = xarray.open_dataset(s.output, group="/models/demo/runs/refusal", engine=engine)
    cell = run.letter_logprob.sel(layer=2, coefficient=1.0, letter="A")
    assert cell.dims == ("question",) and np.isfinite(cell).all()


def test_a_job_without_a_profile_is_said_to_be_for_cpus(sweep, program, monkeypatch):
    monkeypatch.delenv("STEERGRID_PROFILE", raising=False)
    command = [program, "submit", sweep().folder / "sweep.yaml", "--dry-run"]
    for more, warned in (([], True), (["--gpus-per-node=0"], False)):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
        assert ("asks for CPUs only" in done.stderr) == warned and "from default speeds" in done.stderr, done.stderr


def test_a_job_for_gpus_by_a_program_without_cuda_is_warned_of(sweep, program, tmp_path):
    profile = tmp_path / "site.yaml"
    spec = sweep().folder / "sweep.yaml"
    for gpus, warned in ((2, True), (0, False)):
        profile.write_text(f"gpus_per_node: {gpus}\ncpu: {{ cores_per_worker: 1, workers_per_node: 2 }}\n")
        command = [program, "submit", spec, "--profile", profile, "--dry-run"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert ("no CUDA backend" in done.stderr) == warned and "no CUDA backend" not in done.stdout


def test_plan_and_submit_look_at_the_output_first(sweep, program, tmp_path):
    s = sweep(output="new/small.h5", pairs=6, questions=3)
    spec, profile = s.folder / "sweep.yaml", tmp_path / "site.yaml"
    profile.write_text("cpu: { cores_per_worker: 1, workers_per_node: 2 }\n")

    def asked(*words):
        return subprocess.run([program, *words], capture_output=True, text=True, check=False)

    plan, submit = ("plan", spec), ("submit", spec, "--profile", profile, "--dry-run")
    line = asked(*plan).stdout.splitlines()[-1]
    assert re.fullmatch(rf"result file: [\d.]+ [KM]iB, taken when the run begins; .* free in {s.folder}", line), line
    s.must_run(1)
    units = len(states(s.output))
    assert f"result file: there, {units} of {units} units done" in asked(*plan).stdout
    assert asked(*submit).returncode == 0
    s.write_spec(output="new/small.h5", pairs=6, questions=2)
    done = asked(*plan)
    assert done.returncode == 0 and "result file: there, and a run would refuse it" in done.stdout
    assert "`run` would refuse: " in done.stderr and "holds the results of another plan" in done.stderr
    done = asked(*submit)
    assert done.returncode == 2 and "holds the results of another plan" in done.stderr and not done.stdout
