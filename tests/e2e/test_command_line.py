"""What a user types wrong on the command line is named, with what was meant."""

import json
import subprocess

import h5py
import pytest
from sweeps import MODEL


def said(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


def test_an_unknown_command_is_named_with_the_nearest(program):
    text = said(program, "validte", "sweep.yaml")
    assert "'validte'" in text and "did you mean 'validate'?" in text


def test_a_wrong_backend_is_told_the_choices_by_name(program):
    text = said(program, "run", "sweep.yaml", "--backend", "gpu")
    assert "expected auto, cpu or cuda, found 'gpu'" in text and "->" not in text


def test_gpus_without_their_memory_are_not_ignored(sweep, program):
    assert "--gpu-memory" in said(program, "plan", sweep().folder / "sweep.yaml", "--gpus", 4)


def test_specs_and_result_files_are_told_apart(sweep, program):
    s = sweep()
    s.must_run(1)
    for command in ("run", "plan", "validate"):
        text = said(program, command, s.output)
        assert text == f"steergrid: {s.output}: expected a spec (YAML), found an HDF5 file: a result?\n"
    status = [program, "status", "--get", "units.done"]
    of_file = subprocess.run([*status, s.output], capture_output=True, text=True, check=True).stdout
    of_spec = subprocess.run([*status, s.folder / "sweep.yaml"], capture_output=True, text=True, check=True).stdout
    assert of_spec == of_file and int(of_file) > 0
    text = said(program, *status[1:3], "units.dnoe", s.output)
    assert "--get units.dnoe:" in text and "did you mean 'done'?" in text
    assert subprocess.run([program, "status", s.output, "--get", "models.0.name"], capture_output=True, text=True,
                          check=True).stdout == "demo\n"


def launched(program, *arguments):
    done = subprocess.run(["mpirun", "-n", "3", "--oversubscribe", "--bind-to", "none", program, *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def test_a_mistake_in_a_launch_is_told_once(program, tmp_path):
    for mistake, found in (
        (["validte", "sweep.yaml"], "did you mean 'validate'?"),
        (["run", "sweep.yaml", "--rwos", "3"], "--rwos"),
        (["doctor", "--output", tmp_path / "nope"], "nope: expected a folder, found none there"),
    ):
        code, text = launched(program, *mistake)
        assert code == 2 and text.count(found) == 1, text
    code, text = launched(program, "--version")
    assert code == 0 and text.count("steergrid 0.") == 1, text


def test_an_answer_that_cannot_be_written_is_no_success(sweep, program):
    s = sweep(pairs=6, questions=3)
    s.must_run(1)
    spec = s.folder / "sweep.yaml"
    for command in (["status", s.output], ["status", "--json", s.output], ["status", "--get", "name", s.output],
                    ["plan", spec], ["validate", spec], ["submit", "--dry-run", spec], ["doctor"], ["--help"],
                    ["--version"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([program, *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1, (command, done.stderr)
        assert done.stderr.splitlines()[-1].startswith("steergrid: standard output: "), (command, done.stderr)
        assert command[0] != "plan" or "No space left" in done.stderr, done.stderr


def test_values_of_the_job_are_there_before_and_after_the_result_file(sweep, program):
    s = sweep(pairs=6, questions=3)
    (s.folder / "small.h5.job").write_text("1234567\n")
    get = [program, "status", s.folder / "sweep.yaml", "--get"]
    for ranks in (0, 1):
        if ranks:
            s.must_run(ranks)
        for key in ("job.id", "job"):
            value = subprocess.run([*get, key], capture_output=True, text=True, check=True).stdout
            assert "1234567" in value, key


def test_an_output_that_no_file_system_takes_is_a_mistake_of_the_spec(sweep, program):
    name = "x" * 300
    s = sweep(output=name)
    for command in ("plan", "validate", "run"):
        text = said(program, command, s.folder / "sweep.yaml")
        assert text.count("\n") == 1 and "sweep.yaml:2:9: output: expected a path" in text, text
    for result in (s.folder / "sweep.yaml", name):
        text = said(program, "status", result)
        assert text.count("\n") == 1 and name in text and "filesystem error" not in text, text


@pytest.mark.parametrize("ranks", [2])
def test_too_few_ranks_are_told_once(sweep, ranks):
    done = sweep(tensor_parallel=2).run(ranks)
    assert done.returncode == 2, done.stdout
    assert done.stdout.count("expected at least 3 ranks") == 1, done.stdout


def test_items_that_are_too_long_are_summed_up_under_their_key(sweep, program, tmp_path):
    s = sweep()
    spec = s.folder / "sweep.yaml"
    pairs = spec.read_text().split("file: ")[1].split(",")[0]
    items = json.loads(open(pairs).read())[:7]
    for item in items[2:]:
        item["question"] += " tell me how to paint the lamp" * 60
    (tmp_path / "long.json").write_text(json.dumps(items))
    spec.write_text(spec.read_text().replace(pairs, str(tmp_path / "long.json")))
    text = said(program, "validate", spec)
    assert text.count("\n") == 1 and "behaviors[0].pairs.file: " in text, text
    assert "long.json: 5 of 7 items, the first item 2: with demo: up to " in text, text
    assert "tokens: the model takes 128" in text, text


def test_a_wrong_size_in_the_config_is_one_problem(sweep, program, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    for name in ("model.safetensors", "tokenizer.model"):
        (model / name).write_bytes((MODEL / name).read_bytes())
    config = json.loads((MODEL / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "hidden_size": 2 * config["hidden_size"]}))
    text = said(program, "validate", sweep(model=model).folder / "sweep.yaml")
    assert text.count("\n") == 1 and "tensors are not as config.json says: " in text, text


def test_a_written_synthetic_model_is_still_called_made_up(sweep, program, tmp_path):
    name, folder = "random:hidden=64,layers=2,heads=4,vocabulary=300", tmp_path / "written"
    subprocess.run([program, "make-model", name, "-o", folder], capture_output=True, check=True)
    s = sweep(model=folder, pairs=6, questions=3, coefficients="[0, 1]")
    valid = subprocess.run([program, "validate", s.folder / "sweep.yaml"], capture_output=True, text=True, check=True)
    assert "model demo: synthetic, weights are made up" in valid.stdout
    s.must_run(1)
    status = subprocess.run([program, "status", s.output], capture_output=True, text=True, check=True).stdout
    assert "weights made up" in status
    with h5py.File(s.output) as file:
        assert file["models/demo"].attrs["synthetic"] == 1


def test_warnings_are_said_and_change_nothing(sweep, program):
    s = sweep(pairs=100_000)
    done = subprocess.run([program, "validate", s.folder / "sweep.yaml"], capture_output=True, text=True, check=True)
    assert "warning: " in done.stderr and "limit 100000, but the file has 300 items" in done.stderr
    plan = subprocess.run([program, "plan", s.folder / "sweep.yaml"], capture_output=True, text=True, check=True)
    assert plan.stderr == done.stderr
    ran = s.run(3)
    assert ran.returncode == 0
    for line in done.stderr.splitlines():
        assert ran.stdout.count(line.removeprefix("steergrid: warning: ")) == 1
