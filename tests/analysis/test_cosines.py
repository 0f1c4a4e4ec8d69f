"""Cosines between layers and between behaviors: by hand, and the CAA authors' own."""

import json

import numpy as np
import pandas as pd
import pytest

from made_up import VECTORS, Sweep
from steergrid_analysis import metrics, open_results, tables


def test_cosines_of_known_vectors():
    found = metrics.cosines(np.array([[1, 0], [3, 3], [-2, 0], [0, 5]], dtype=np.float32))
    root = 0.5**0.5
    np.testing.assert_allclose(found, [[1, root, -1, 0], [root, 1, -root, root], [-1, -root, 1, 0], [0, root, 0, 1]], atol=1e-15)


def test_cosines_have_a_unit_diagonal_are_symmetric_and_do_not_depend_on_length():
    vectors = np.random.default_rng(3).normal(size=(9, 50))
    found = metrics.cosines(vectors)
    assert (np.diag(found) == 1).all() and (found == found.T).all() and np.abs(found).max() <= 1
    np.testing.assert_allclose(metrics.cosines(vectors * np.logspace(-9, 9, 9)[:, None]), found, atol=1e-14)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_vector_without_a_direction_has_no_cosine_and_spoils_no_other(bad):
    vectors = np.random.default_rng(4).normal(size=(3, 8))
    vectors[1] = bad
    with np.errstate(all="ignore"):
        found = metrics.cosines(vectors)
    assert np.isnan(found[1]).all() and np.isnan(found[:, 1]).all() and np.isfinite(found[np.ix_([0, 2], [0, 2])]).all()


def test_the_summary_holds_the_cosines_of_the_raw_vectors_of_the_file(file_of, summary_of):
    model = summary_of().models[0]
    with open_results(file_of()) as results:
        raw = [results.vectors("small", name)["mean"].values.astype(float) for name in ("refusal", "hedging")]

    def by_hand(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    assert model.vectors[0].cosines[1, 4] == pytest.approx(by_hand(raw[0][1], raw[0][4]), abs=1e-12)
    between = model.between.sel(layer=3, vectors="refusal", other="hedging")
    assert float(between) == pytest.approx(by_hand(raw[0][3], raw[1][3]), abs=1e-12)


def test_vectors_that_are_not_there_are_left_out_of_the_cosines(summary_of):
    sweep = Sweep()
    sweep.state = {unit: 0 for unit in sweep.unit_numbers(VECTORS, 0, 0)}
    summary = summary_of(sweep)
    assert summary.models[0].between["vectors"].values.tolist() == ["hedging"]
    assert set(tables.cosines_layers(summary)["vectors"]) == {"hedging"} and tables.cosines_behaviors(summary).empty


def test_the_tables_hold_every_pair_once(summary_of):
    summary = summary_of()
    between, layers = tables.cosines_behaviors(summary), tables.cosines_layers(summary)
    assert len(between) == 6 and len(layers) == 2 * 6 * 5 / 2
    assert isinstance(layers, pd.DataFrame) and (layers["layer"] < layers["other_layer"]).all()


@pytest.fixture(scope="module")
def published(reference_data):
    """The authors' raw vectors [behavior, layer, hidden], the behaviors' names, and their similarities."""
    folder = reference_data / "vectors"
    if not (folder / "raw_7b-chat.f32.bin").is_file() or not (folder / "similarities_7b-chat.json").is_file():
        pytest.skip("STEERGRID_REFERENCE_DATA holds no vectors/raw_7b-chat.f32.bin with its similarities")
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))["raw_7b-chat.f32.bin"]
    vectors = np.fromfile(folder / "raw_7b-chat.f32.bin", "<f4").reshape(index["shape"])
    return vectors, index["behaviors"], json.loads((folder / "similarities_7b-chat.json").read_text(encoding="utf-8"))


def test_cosines_between_layers_are_the_published_ones(published):
    vectors, behaviors, similarities = published
    for row, behavior in enumerate(behaviors):
        np.testing.assert_allclose(metrics.cosines(vectors[row]), similarities["7b-chat"][behavior], rtol=0, atol=1e-6)


def test_cosines_between_behaviors_are_the_published_ones(published):
    vectors, behaviors, similarities = published
    for layer, expected in enumerate(similarities["7b-chat/between_behaviors"]):
        np.testing.assert_allclose(metrics.cosines(vectors[:, layer]), expected, rtol=0, atol=1e-6)
    at_13 = metrics.cosines(vectors[:, 13])
    assert at_13[behaviors.index("refusal"), behaviors.index("hallucination")] == pytest.approx(-0.739, abs=5e-4)
