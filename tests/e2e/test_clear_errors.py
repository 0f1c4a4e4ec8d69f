"""What goes wrong is said once, clearly, and nothing is lost."""

import json
import os
import random
import socket
import subprocess

import h5py
import pytest
from sweeps import DEMO, MODEL, assert_same_bits, crash_of_hdf5, datasets


def one_sentence(done, *parts):
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert any(all(part in line for part in parts) for line in lines), done.stdout


def test_a_changed_spec_on_an_existing_output_is_refused_with_what_differs(sweep):
    s = sweep()
    before = s.must_run(1)
    s.write_spec(coefficients="[-2, 0, 3]")
    done = s.run(1)
    assert done.returncode == 2
    assert "coefficients" in done.stdout and "3" in done.stdout
    assert_same_bits(before, datasets(s.output))


def test_running_a_finished_sweep_again_changes_nothing(sweep):
    s = sweep()
    before = s.must_run(1)
    assert_same_bits(before, s.must_run(3))


def test_a_sweep_made_with_a_full_hash_goes_on_with_one_on_any_number_of_ranks(sweep):
    s = sweep(pairs=10, questions=3)
    before = s.must_run(3, "--full-hash")
    assert_same_bits(before, s.must_run(1, "--full-hash"))
    done = s.run(3)
    assert done.returncode == 2
    one_sentence(done, "identity")


def test_a_result_file_cannot_give_orders_to_a_terminal(sweep, program):
    s = sweep(pairs=6, questions=3)
    s.must_run(1)
    with h5py.File(s.output, "r+") as file:
        file.attrs.modify("created", "\x1b[31mred\nfinished".encode())
    done = subprocess.run([program, "status", s.output], capture_output=True, text=True, check=True)
    assert "(created \\x1b[31mred\\nfinished)" in done.stdout
    with h5py.File(s.output, "r+") as file:
        file["models/demo"].attrs.modify("dtype", "\x1b[2Jfloat32\nall is well".encode())
    done = subprocess.run([program, "plan", s.folder / "sweep.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "found '\\x1b[2Jfloat32\\nall is well'" in done.stderr


def test_the_name_of_a_folder_cannot_give_orders_to_a_terminal(sweep, program):
    s = sweep("a\x1b[31mb")
    done = subprocess.run([program, "plan", s.folder / "sweep.yaml"], capture_output=True, text=True, check=True)
    assert "a\\x1b[31mb/small.h5\n" in done.stdout and "\x1b" not in done.stdout
    ran = s.run(1)
    assert ran.returncode == 0 and "a\\x1b[31mb/small.h5" in ran.stdout and "\x1b" not in ran.stdout
    s.write_spec(output="no/../small.h5", model="nowhere")
    done = subprocess.run([program, "plan", s.folder / "sweep.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "a\\x1b[31mb/sweep.yaml:6:" in done.stderr and "\x1b" not in done.stderr


def test_two_runs_on_one_file_are_refused(sweep):
    s = sweep(pairs=200, questions=50)
    first = s.start(1, "--naive")
    try:
        while not s.output.exists() and first.poll() is None:
            pass
        second = s.run(1)
        assert first.poll() is None, "the first run ended too soon for this test"
        assert second.returncode == 1
        one_sentence(second, str(first.pid))
    finally:
        first.kill()
        first.wait()


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_spec_with_mistakes_lists_them_all_once(sweep, ranks):
    s = sweep()
    path = s.folder / "sweep.yaml"
    path.write_text(path.read_text().replace("layers: all", "layer: all").replace("seed: 0", "seed: zero"))
    done = s.run(ranks)
    assert done.returncode == 2, done.stdout
    one_sentence(done, "sweep.yaml:", "layer", "layers")
    one_sentence(done, "sweep.yaml:", "seed")
    assert done.stdout.count("'layer'") == 1


def test_a_spec_that_other_nodes_lack_is_told_once_with_the_place(sweep, tmp_path):
    s = sweep()
    program = [s.program, "run", "sweep.yaml"]
    done = subprocess.run(
        ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "1", "-wdir", s.folder, *program, ":", "-n", "2",
         "-wdir", tmp_path, *program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 2, done.stdout
    one_sentence(done, f"rank 1 on {socket.gethostname()}: sweep.yaml: expected a file, found none there")
    assert done.stdout.count("found none there") == 1, done.stdout


def test_what_only_the_models_show_is_told_with_the_rest(sweep, program):
    s = sweep(tensor_parallel=8)
    path = s.folder / "sweep.yaml"
    path.write_text(path.read_text().replace("layers: all", 'layers: "0-99"').replace("seed: 0", "sede: 0"))
    done = subprocess.run([program, "plan", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 2
    one_sentence(done, "sweep.yaml:", "sede", "seed")
    one_sentence(done, "sweep.yaml:", "layers", "99")
    one_sentence(done, "sweep.yaml:", "tensor_parallel", "heads")


def test_an_output_that_cannot_be_written_is_named(sweep):
    s = sweep()
    (s.folder / "small.h5").mkdir()
    done = s.run(1)
    assert done.returncode in (1, 2)
    one_sentence(done, "sweep.yaml:2:", "output", "folder")


def test_a_full_disk_is_said_and_nothing_is_lost(sweep, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]).returncode:
        pytest.skip("no right to mount a small file system")
    try:
        s = sweep()
        spec = s.folder / "sweep.yaml"
        spec.write_text(spec.read_text().replace("output: small.h5", f"output: {disk}/small.h5"))
        done = s.run(1)
        assert done.returncode == 1, done.stdout
        one_sentence(done, "small.h5", "needs", "free")
    finally:
        subprocess.run(["umount", disk])


def model_without_a_tensor(folder):
    """The demo's model, with one tensor under another name."""
    folder.mkdir()
    for name in ("config.json", "tokenizer.model"):
        (folder / name).write_bytes((MODEL / name).read_bytes())
    weights = (MODEL / "model.safetensors").read_bytes()
    renamed = weights.replace(b"model.layers.1.mlp.up_proj", b"model.layers.1.mlp.xp_proj")
    (folder / "model.safetensors").write_bytes(renamed)


@pytest.mark.parametrize("command", ["plan", "validate", "run"])
def test_spec_tensors_and_tokens_are_told_in_one_go(sweep, program, tmp_path, command):
    model_without_a_tensor(tmp_path / "model")
    questions = json.loads((DEMO / "behaviors/refusal/test_dataset_ab.json").read_text())
    questions[3]["question"] += " tell me how to paint the lamp" * 60
    (tmp_path / "long.json").write_text(json.dumps(questions))
    s = sweep()
    spec = s.folder / "sweep.yaml"
    text = spec.read_text().replace(f"{MODEL}", f"{tmp_path}/model").replace("seed: 0", "sede: 0")
    spec.write_text(text.replace(f"{DEMO}/behaviors/refusal/test_dataset_ab.json", f"{tmp_path}/long.json"))
    done = subprocess.run([program, command, spec], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 2
    one_sentence(done, "sweep.yaml:3:", "sede", "seed")
    one_sentence(done, "sweep.yaml:", "models[0]", "model.layers.1.mlp.up_proj.weight")
    one_sentence(done, "sweep.yaml:", "behaviors[0]", "long.json: item 3", "tokens: the model takes 128")
    assert not s.output.exists()


def damages(sound, count):
    rng = random.Random(7)
    pieces = [range(at, min(at + 64, len(sound))) for at in range(0, len(sound), 64) if any(sound[at : at + 64])]
    places = [at for piece in pieces for at in piece]
    for _ in range(count):
        changed = bytearray(sound)
        for at in rng.sample(places, 6):
            changed[at] = rng.randrange(256)
        yield changed[: rng.choice([len(sound), rng.randrange(len(sound))])]


def test_a_damaged_result_file_is_shown_or_refused_in_one_sentence(sweep, program, tmp_path):
    """Also where HDF5 itself crashes on it: changes fall on the lengths in its heaps too."""
    s = sweep()
    s.must_run(1)
    damaged, refused = tmp_path / "damaged.h5", 0
    for damage in damages(s.output.read_bytes(), 60):
        damaged.write_bytes(damage)
        done = subprocess.run([program, "status", damaged], capture_output=True, timeout=60, check=False)
        said = done.stderr.decode(errors="replace")
        assert done.returncode in (0, 2), (done.returncode, said)
        if done.returncode == 2:
            refused += 1
            assert said.startswith("steergrid: ") and str(damaged) in said and said.count("\n") == 1, said
    assert 0 < refused < 60


def test_a_run_on_a_damaged_output_goes_on_or_refuses_it_and_leaves_it_alone(sweep):
    s = sweep()
    s.must_run(1)
    sound = s.output.read_bytes()
    crash, *others = crash_of_hdf5(sound), *damages(sound, 12)
    for damage in others:
        s.output.write_bytes(damage)
        done = s.run(1)
        assert done.returncode in (0, 1, 2), done.stdout
        if done.returncode == 2:
            one_sentence(done, "steergrid: ", str(s.output))
            assert s.output.read_bytes() == damage
    s.output.write_bytes(crash)
    other = sweep("other", output="other.h5")
    for done in (s.run(2), other.run(2, "--reuse", str(s.output))):
        assert done.returncode == 2, done.stdout
        one_sentence(done, "steergrid: ", f"{s.output}: damaged")
        assert s.output.read_bytes() == crash
