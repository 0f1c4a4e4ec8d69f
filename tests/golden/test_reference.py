"""The numpy reference against Hugging Face's numbers, and the committed files against the reference."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cases import CELLS, MODELS, PAIRS, PROMPTS  # noqa: E402
from golden_file import read_golden, steered, vectors_of  # noqa: E402
from made_up_weights import made_up_weights  # noqa: E402
from reference_llama import reference  # noqa: E402

FILES = {"hf_gqa": ("gqa", 1e-5), "reference_gqa": ("gqa", 1e-7), "reference_mha_tied": ("mha_tied", 1e-7)}


def distance(found, expected) -> float:
    """Euclidean distance over the expected vector's length, the largest over all vectors along the last axis."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape
    return float(np.max(np.linalg.norm(found - expected, axis=-1) / np.linalg.norm(expected, axis=-1)))


@pytest.fixture(params=FILES, name="case")
def _case(request):
    model, tolerance = FILES[request.param]
    return read_golden(request.param), reference(model), tolerance


def test_a_file_holds_the_cases_of_today(case):
    golden, model, _ = case
    assert (golden["prompts"], golden["pairs"], golden["config"]) == (PROMPTS, PAIRS, model.config)
    assert [{k: v for k, v in cell.items() if k != "log_probabilities"} for cell in golden["cells"]] == CELLS
    assert golden["weight_sums"] == {name: float(w.sum()) for name, w in model.weights.items()}


def test_residuals_agree_at_every_layer_and_position(case):
    golden, model, tolerance = case
    for tokens, expected in zip(golden["prompts"], golden["residuals"], strict=True):
        assert distance(model.forward(tokens)[0], expected) < tolerance


def test_probabilities_agree(case):
    golden, model, tolerance = case
    for tokens, expected in zip(golden["prompts"], golden["log_probabilities"], strict=True):
        assert np.max(np.abs(model.forward(tokens)[1] - expected)) < tolerance


def test_mean_difference_vectors_agree(case):
    golden, model, tolerance = case
    assert distance(vectors_of(model.forward), golden["vectors"]) < tolerance


def test_steered_probabilities_agree_and_differ_from_the_unsteered(case):
    golden, model, tolerance = case
    vectors = np.asarray(golden["vectors"], dtype=np.float32)  # 9 digits hold them exactly
    for cell in golden["cells"]:
        expected = np.asarray(cell["log_probabilities"])
        assert np.max(np.abs(steered(model.forward, cell, vectors) - expected)) < tolerance
        moved = np.max(np.abs(expected - golden["log_probabilities"][cell["prompt"]]))
        assert (moved > 0.01) == any(a["coefficient"] != 0 for a in cell["additions"])


def test_made_up_weights_are_exact_in_sixteen_bits():
    config, seed = MODELS["gqa"]
    for weight in made_up_weights(config, seed).values():
        single = weight.astype(np.float32)
        assert np.all(single == weight)
        assert np.all(single.view(np.uint32) & 0xFFFF == 0)  # bfloat16
        assert np.all(weight.astype(np.float16) == weight)
