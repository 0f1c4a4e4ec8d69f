"""The demo's files: data sets that its scripts write anew to the byte, models that fit together and into the repository.

The models themselves are judged by their own gate (jobs/demo/train/gate.py, needs torch); here only by what a user sees.
"""

import json
import math
import re
import sys

import pytest
from sweeps import DEMO

BEHAVIORS = ("refusal", "sycophancy", "corrigible")
MODELS = sorted((DEMO / "models").iterdir())
FILES = {"generate_dataset": 300, "validation_dataset_ab": 50, "test_dataset_ab": 50}


@pytest.mark.parametrize("behavior", BEHAVIORS)
@pytest.mark.parametrize("name", FILES)
def test_data_sets_hold_every_question_in_both_option_orders(behavior, name):
    items = json.loads((DEMO / "behaviors" / behavior / f"{name}.json").read_text())
    assert len(items) == FILES[name]
    letters = [item["answer_matching_behavior"] for item in items]
    assert letters.count("(A)") == letters.count("(B)") == len(items) // 2
    orders = {}
    for item in items:
        stem, choices = item["question"].split("\n\nChoices:\n (A) ")
        first, second = choices.split("\n (B) ")
        matching, other = (first, second) if item["answer_matching_behavior"] == "(A)" else (second, first)
        orders.setdefault((stem, matching, other), set()).add(item["answer_matching_behavior"])
    assert all(both == {"(A)", "(B)"} for both in orders.values())


def test_the_scripts_write_the_same_data_sets_anew(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(DEMO / "train")
    monkeypatch.delitem(sys.modules, "behaviors", raising=False)
    from behaviors import write_behaviors

    write_behaviors(tmp_path)
    for behavior in BEHAVIORS:
        for name in FILES:
            path = f"{behavior}/{name}.json"
            assert (tmp_path / path).read_bytes() == (DEMO / "behaviors" / path).read_bytes(), path


def test_models_share_a_tokenizer_and_stay_small():
    assert len({(model / "tokenizer.model").read_bytes() for model in MODELS}) == 1
    assert sum(file.stat().st_size for model in MODELS for file in model.iterdir()) <= 10_000_000


def test_the_readme_names_every_model_with_its_parameters():
    rows = re.findall(r"^\| `(\S+)` \| ([\d,]+) \|", (DEMO / "README.md").read_text(), re.MULTILINE)
    assert rows == [(model.name, f"{parameters(model):,}") for model in MODELS]


def parameters(model):
    """Counted from the header of the safetensors file."""
    with open(model / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def test_the_sweep_holds_every_model_and_chooses_layers_on_validation_questions():
    sweep = (DEMO / "sweep.yaml").read_text()
    assert sorted(re.findall(r"path: (\S+)", sweep)) == [f"models/{model.name}" for model in MODELS]
    for name in BEHAVIORS:
        run = f"{{ name: {name}.validation, vectors: {name}, questions: behaviors/{name}/validation_dataset_ab.json }}"
        assert run in sweep
