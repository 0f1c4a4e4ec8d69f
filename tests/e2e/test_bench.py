"""`steergrid bench` on a small synthetic model: that its figures belong together, never how large they are."""

import json
import subprocess

SMALL = "random:hidden=64,layers=3,heads=4,vocabulary=300"


def test_bench_times_a_model_and_writes_what_it_measured(program, tmp_path):
    options = ["--model", SMALL, "--pairs", "2", "--questions", "2", "--tokens", "50", "--threads", "1", "--peak", "0.5"]
    done = subprocess.run([program, "bench", *options, "--json", tmp_path / "bench.json"], capture_output=True, text=True,
                          check=True)
    assert "synthetic" in done.stdout and "| grid |" in done.stdout
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found["synthetic"] and found["identity"].endswith("?seed=0") and found["backend"] == "cpu"
    assert found["cells"] == 3 * 8 and 50 <= found["prompt_tokens"] < 60
    for phase in (found["extract"], found["grid"]):
        assert len(phase["times"]) == 3 and sorted(phase["times"])[1] == phase["seconds"] > 0
        assert abs(phase["tflops"] * phase["seconds"] * 1e12 / phase["flops"] - 1) < 1e-9
        assert abs(phase["share_of_peak"] * 0.5 / phase["tflops"] - 1) < 1e-9
    rows = 2 * 3 * 64 * (4 * 64 + 3 * 256)  # FLOPs of a row in all matrices but the head's: a prompt's lower bound
    assert found["grid"]["flops"] > 2 * 50 * rows and found["naive_grid_flops"] > 10 * found["grid"]["flops"]
    parameters = 3 * (4 * 64 * 64 + 3 * 64 * 256 + 2 * 64) + 2 * 300 * 64 + 64
    assert found["load"]["weight_bytes"] in (2 * parameters, 4 * parameters)


def test_bench_streams_a_checkpoint(program, tmp_path):
    subprocess.run([program, "make-model", SMALL, "-o", tmp_path / "model"], capture_output=True, check=True)
    options = ["--model", tmp_path / "model", "--pairs", "2", "--questions", "1", "--tokens", "50", "--threads", "1"]
    figures = {}
    for weights, more in {"resident": [], "streamed": ["--streamed", "--cold", "--repeats", "2"]}.items():
        name = tmp_path / f"{weights}.json"
        subprocess.run([program, "bench", *options, *more, "--json", name], capture_output=True, check=True)
        figures[weights] = json.loads(name.read_text())
        assert figures[weights]["weights"] == weights and not figures[weights]["synthetic"]
    read = {weights: [found[phase]["bytes_streamed"] for phase in ("extract", "grid")] for weights, found in figures.items()}
    assert read["resident"] == [0, 0] and min(read["streamed"]) > 0
    assert figures["streamed"]["planned_bytes"] < figures["resident"]["planned_bytes"]


def test_bench_says_what_it_cannot_do(program):
    done = subprocess.run([program, "bench", "--model", "random:llama-9"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "found 'llama-9'" in done.stderr
    done = subprocess.run([program, "bench", "--model", SMALL, "--streamed", "--cold"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2 and "--cold: expected a checkpoint's folder" in done.stderr
