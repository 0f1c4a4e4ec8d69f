"""Specs and indexes are untrusted: what they name stays in the output's folder and in the model's."""

import json
import shutil
import subprocess

import pytest
from sweeps import MODEL


def everything_below(folder) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def test_a_run_writes_its_output_and_nothing_else(sweep):
    s = sweep("here", output="out/small.h5")
    before = everything_below(s.folder.parent)
    s.must_run(1, "--threads", "1")
    assert everything_below(s.folder.parent) - before <= {"here/out", "here/out/small.h5", "here/out/small.h5.lock"}


@pytest.mark.parametrize("key", ["name: small", "  - name: demo", "  - name: refusal"])
@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/b", "..", "."])
def test_names_of_a_spec_cannot_be_paths(sweep, program, key, name):
    s = sweep()
    spec = s.folder / "sweep.yaml"
    spec.write_text(spec.read_text().replace(key, key.split(":")[0] + f": {name}"))
    before = everything_below(s.folder.parent)
    done = subprocess.run([program, "run", spec], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("steergrid: ") == 1 and name in done.stderr, done.stderr
    assert everything_below(s.folder.parent) == before


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ""])
def test_an_index_cannot_name_a_shard_outside_the_models_folder(sweep, program, tmp_path, shard):
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    (model / "sub").mkdir()
    for place in (tmp_path / "secret.safetensors", model / "sub" / "x.safetensors"):
        shutil.copy(MODEL / "model.safetensors", place)
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"model.norm.weight": shard}}))
    spec = sweep(model=model).folder / "sweep.yaml"
    done = subprocess.run([program, "validate", spec], capture_output=True, text=True)
    assert done.returncode == 2 and "expected the name of a file in the folder" in done.stderr, done.stderr
