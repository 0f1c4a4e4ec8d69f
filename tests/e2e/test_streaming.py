"""Weights that stream past all units of a pass: the same bytes, each block read twice a sweep, memory as planned."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from sweeps import MODEL, assert_same_bits, datasets


def place_weights(sweep, where):
    """Writes `weights:` into the sweep's spec."""
    spec = sweep.folder / "sweep.yaml"
    spec.write_text(spec.read_text().replace("    dtype:", f"    weights: {where}\n    dtype:"))
    return sweep


def run_logged(sweep, ranks, *arguments):
    log = sweep.folder / "log"
    found = sweep.must_run(ranks, "--threads", "1", "--log", str(log), *arguments)
    return found, log.read_text()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("ranks, degree", [(1, 1), (3, 2)])
def test_streamed_weights_give_the_bits_of_resident_ones(sweep, dtype, ranks, degree):
    settings = {"dtype": dtype, "tensor_parallel": degree}
    resident = place_weights(sweep("resident", **settings), "resident").must_run(ranks, "--threads", "1")
    streamed, log = run_logged(place_weights(sweep("streamed", **settings), "streamed"), ranks)
    assert "weights streamed" in log
    assert_same_bits(resident, streamed)


def test_the_naive_loop_gives_the_same_bits_when_it_streams(sweep):
    few = {"pairs": 3, "questions": 2, "coefficients": "[-1, 0]"}
    forks = place_weights(sweep("forks", **few), "resident").must_run(1)
    assert_same_bits(forks, place_weights(sweep("naive", **few), "streamed").must_run(1, "--naive"))


@pytest.mark.parametrize("ranks, degree", [(1, 1), (3, 2)])
def test_a_team_reads_a_streamed_model_twice_a_sweep(sweep, ranks, degree):
    s = place_weights(sweep(tensor_parallel=degree), "streamed")
    _, log = run_logged(s, ranks)
    found = re.findall(r"streamed (\d+) blocks, ([\d.]+) times the model's (\d+)", log)
    assert len(found) == degree, log
    for loaded, _, layers in found:  # once to extract, once to evaluate; up to two more are begun for a walk to come
        assert 2 * int(layers) <= int(loaded) <= 2 * int(layers) + 2


def test_what_memory_does_not_hold_streams_without_being_asked(sweep):
    resident, log = run_logged(sweep("much"), 1, "--memory", "8GB")
    assert "weights resident" in log
    streamed, log = run_logged(sweep("little"), 1, "--memory", "1MB")
    assert "weights streamed" in log
    assert_same_bits(resident, streamed)


def test_a_sweep_may_be_resumed_with_weights_elsewhere(sweep):
    s = place_weights(sweep(), "resident")
    before = s.must_run(1)
    place_weights(s, "streamed")
    spec = s.folder / "sweep.yaml"
    spec.write_text(spec.read_text().replace("    weights: resident\n", ""))
    assert_same_bits(before, s.must_run(1))
    assert_same_bits(before, datasets(s.output))


def write_large_model(folder, layers=12, hidden=1024, feed_forward=2816):
    """A checkpoint of some 310 MB in bfloat16, random, with the demo's tokenizer."""
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes((MODEL / "tokenizer.model").read_bytes())
    config = json.loads((MODEL / "config.json").read_text())
    config |= {"num_hidden_layers": layers, "hidden_size": hidden, "intermediate_size": feed_forward, "head_dim": 64}
    config |= {"num_attention_heads": hidden // 64, "num_key_value_heads": hidden // 64, "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    square, wide, tall = [hidden, hidden], [feed_forward, hidden], [hidden, feed_forward]
    shapes = {"model.embed_tokens.weight": [config["vocab_size"], hidden], "model.norm.weight": [hidden]}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = [config["vocab_size"], hidden]
    for layer in range(layers):
        parts = {f"self_attn.{p}_proj": square for p in "qkvo"}
        parts |= {"mlp.gate_proj": wide, "mlp.up_proj": wide, "mlp.down_proj": tall}
        parts |= {"input_layernorm": [hidden], "post_attention_layernorm": [hidden]}
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in parts.items()}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    random = np.random.default_rng(0)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            values = np.ones(shape, "<f4") if "norm" in name else random.standard_normal(shape, "<f4") * 0.02
            file.write((values.view("<u4") >> 16).astype("<u2").tobytes())
    return folder


# A child's peak counts the process that it was forked from, and the one that runs the tests is large.
MEASURE = """
import resource, subprocess, sys
ran = subprocess.run(sys.argv[1:], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(ran.returncode)
"""


def peak_bytes(command):
    """The largest resident set of a process, as the kernel counted it."""
    ran = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


def planned_bytes(program, spec):
    text = subprocess.run([program, "plan", str(spec)], capture_output=True, text=True, check=True).stdout
    number, unit = re.search(r"memory a rank on CPUs: ([\d.]+) (\w+)", text).groups()
    return float(number) * {"MiB": 2**20, "GiB": 2**30}[unit]


def test_a_streamed_run_stays_within_the_memory_that_plan_says(program, sweep, tmp_path):
    model = write_large_model(tmp_path / "large")
    peaks = {}
    for where in ("resident", "streamed"):
        s = place_weights(sweep(where, pairs=4, questions=2, coefficients="[-1, 0]"), where)
        spec = s.folder / "sweep.yaml"
        spec.write_text(spec.read_text().replace(str(MODEL), str(model)))
        planned = planned_bytes(program, spec)
        peaks[where] = peak_bytes(s.command(1, "--threads", "1"))
        print(f"{where}: peak {peaks[where] / 2**20:.0f} MiB, planned {planned / 2**20:.0f} MiB")
        # Measured: 14 MiB above the plan where weights stream, in part freed blocks that the allocator keeps.
        assert planned / 2 < peaks[where] < planned * 1.2
    assert peaks["streamed"] < peaks["resident"] / 2
