"""The CAA authors' own probabilities: the metrics give their averages to the last bit, and `verify` reads their folder."""

import csv
import json

import h5py
import numpy as np
import pytest

from made_up import Sweep, changed, published_name, write
from steergrid_analysis import metrics


def file_name(row: dict) -> str:
    optional = [("system_prompt", "_system_prompt="), ("override_vector", "_override_vector="),
                ("override_vector_model", "_override_vector_model=")]
    name = f"results_layer={row['layer']}_multiplier={row['multiplier']}_behavior={row['behavior']}_type={row['type']}"
    name += "".join(text + row[key] for key, text in optional if row[key] != "-")
    return name + "_use_base_model=False_model_size=7b.json"


def published(folder, row: dict) -> tuple[np.ndarray, np.ndarray]:
    """p(A), p(B) [question, letter] and the index of the matching letter [question]."""
    items = json.loads((folder / "published" / "7b" / row["behavior"] / file_name(row)).read_text(encoding="utf-8"))
    labels = [item.get("answer_matching_behavior", item.get("correct")) for item in items]
    matching = [0 if "A" in label else 1 if "B" in label else -1 for label in labels]
    return np.array([[item["a_prob"], item["b_prob"]] for item in items]), np.array(matching)


@pytest.fixture(scope="module")
def rows(reference_data) -> list[dict]:
    with (reference_data / "published" / "summary_7b.tsv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def test_every_published_average_comes_out_exactly(reference_data, rows):
    assert len(rows) == 796
    different = []
    for row in rows:
        probability, matching = published(reference_data, row)
        score = metrics.scores_from_probabilities(probability, matching, metrics.answer_letters(("A", "B")))
        if metrics.count(score) != int(row["n"]) or metrics.mean(score) != float(row["mean_normalised_prob"]):
            different.append(file_name(row))
    assert not different


def test_scores_from_log_probabilities_differ_from_the_published_ones_by_rounding_only(reference_data, rows):
    for row in rows[:40]:
        probability, matching = published(reference_data, row)
        score = metrics.scores(np.log(probability), matching, ("A", "B"))
        assert metrics.mean(score) == pytest.approx(float(row["mean_normalised_prob"]), rel=1e-13)


def test_the_paper_s_best_layer_of_the_7b_model_is_found(reference_data, rows):
    plain = [row for row in rows if row["type"] == "ab" and {row[k] for k in ("system_prompt", "override_vector",
             "override_vector_model", "finetuned")} == {"-"}]
    mean = {(row["behavior"], int(row["layer"]), float(row["multiplier"])): float(row["mean_normalised_prob"]) for row in plain}
    behaviors = sorted({behavior for behavior, _, _ in mean})
    span = np.array([np.mean([mean[b, layer, 1.0] - mean[b, layer, -1.0] for b in behaviors]) for layer in range(32)])
    assert metrics.best_layer(span) == 13
    assert span[13] == pytest.approx(0.435, abs=5e-4)


@pytest.fixture(scope="module", name="reproduction")
def a_file_that_holds_the_authors_own_numbers(reference_data, tmp_path_factory):
    """A result file with the published probabilities of the behavior refusal, and the published folder."""
    folder = reference_data / "published" / "7b" / "refusal"
    path = tmp_path_factory.mktemp("reproduction") / "results.h5"
    write(path, Sweep(models={"llama": 32}, behaviors=("refusal",), coefficients=(-1.0, 0.0, 1.0), questions=50))
    with h5py.File(path, "r+") as file:
        run = file["models/llama/runs/refusal"]
        for layer in range(32):
            for index, multiplier in enumerate((-1.0, 0.0, 1.0)):
                items = json.loads((folder / published_name(layer, multiplier)).read_text(encoding="utf-8"))
                run["letter_logprob"][:, layer, index] = np.log([[item["a_prob"], item["b_prob"]] for item in items])
                if multiplier == 0:
                    run["baseline_logprob"][...] = run["letter_logprob"][:, layer, index]
        run["text"][...] = [item["question"] for item in items]
        run["matching_letter"][...] = ["AB".index(item["answer_matching_behavior"][1]) for item in items]
    return path, folder.parent


def test_the_authors_own_numbers_agree_with_the_published_folder(reproduction, verified):
    path, folder = reproduction
    code, found = verified(path, folder)
    run, = found["runs"]
    assert code == 0 and run["compared"] == {"questions": 50, "published cells": 96, "items": 4800}
    assert run["probability"]["value"] < 1e-15
    counts = {(one["where"], one["what"]): (one["results"], one["other"]) for one in found["not_compared"]}
    assert counts["llama/refusal", "published cells"] == (0, 2)  # multipliers -0.5 and 0.5 at layer 13
    assert counts["", "files of type mmlu"] == (0, 35) and counts["llama", "runs"] == (0, 6)
    assert verified(path, folder / "refusal")[0] == 0


def test_a_difference_beyond_the_authors_own_noise_is_found_in_the_published_folder(reproduction, verified):
    def moved(values):
        values[17, 13, 2, 1] = np.log(np.exp(values[17, 13, 2, 1]) - 2e-4)
        return values

    path, folder = reproduction
    before = path.read_bytes()
    changed(path, "models/llama/runs/refusal/letter_logprob", moved)
    code, found = verified(path, folder)
    path.write_bytes(before)
    place = found["runs"][0]["probability"]
    assert code == 1 and (place["layer"], place["coefficient"], place["letter"]) == (13, 1.0, "B")
