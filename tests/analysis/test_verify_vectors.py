"""Vector sources held against each other: distances, cosines, blocks, stored activations, and when a vector passes."""

import h5py
import numpy as np
import pytest

import made_up
from made_up import ABSENT, EVALUATE, EXTRACT, VECTORS, Sweep, changed, one_bit
from steergrid_analysis import cli

VECTOR = "models/small/vectors/refusal"


def at_layer(layer, factor):
    def change(mean):
        mean[layer] *= factor
        return mean
    return change


def vector_named(found, name="refusal"):
    return next(vector for vector in found["vectors"] if vector["name"] == name)


@pytest.mark.parametrize("factor, distance, cosine", [(2.0, 0.5, 1.0), (-1.0, 2.0, -1.0), (0.75, 0.25, 1.0)])
def test_the_distance_is_relative_to_the_longer_and_named_with_its_layer(twins, verified, factor, distance, cosine):
    ours, theirs = twins()
    changed(theirs, f"{VECTOR}/mean", at_layer(4, factor))
    code, found = verified(ours, theirs)
    vector = vector_named(found)
    assert code == 1 and vector["arrays"] == ["mean"]
    assert vector["distance"] == {"value": pytest.approx(distance), "layer": 4, "array": "mean"}
    assert vector["cosine"]["value"] == pytest.approx(cosine)
    assert cosine > 0 or vector["cosine"]["layer"] == 4


def test_the_largest_distance_of_any_array_is_the_one_that_is_named(twins, capsys):
    ours, theirs = twins()
    changed(theirs, f"{VECTOR}/mean", at_layer(4, 1.01))
    changed(theirs, f"{VECTOR}/scale", at_layer(1, 2.0))
    assert cli.main(["verify", str(ours), "--against", str(theirs)]) == 1
    line, = [line for line in capsys.readouterr().out.splitlines() if line.startswith("vectors small/refusal")]
    assert line.startswith("vectors small/refusal: other bits in mean, scale (6 layers, 2 blocks); "
                           "largest relative distance 0.5 (scale, layer 1), smallest cosine 1.000000000")


def test_within_a_tolerance_a_vector_is_judged_by_the_runs_that_add_it(twins, verified):
    ours, theirs = twins()
    changed(theirs, f"{VECTOR}/mean", at_layer(4, -1.0))
    assert verified(ours, theirs)[0] == 1
    code, found = verified(ours, theirs, "--tolerance", "0.01")
    assert code == 0 and found["verdict"] == "within"


@pytest.mark.parametrize("sweep", [
    Sweep(coefficients=(0.0,)), Sweep(state={unit: ABSENT for unit in Sweep().unit_numbers(EVALUATE, 0, 0)})])
def test_where_no_compared_run_steers_its_own_distance_decides(twins, verified, sweep):
    ours, theirs = twins(sweep)
    changed(theirs, f"{VECTOR}/mean", at_layer(4, 1.02))
    assert verified(ours, theirs, "--tolerance", "0.01")[0] == 1
    assert verified(ours, theirs, "--tolerance", "0.03")[0] == 0


def test_the_largest_distance_of_a_layer_decides_whichever_array_has_it(twins, verified):
    ours, theirs = twins(Sweep(coefficients=(0.0,)))
    changed(theirs, f"{VECTOR}/mean", at_layer(4, 1.02))
    changed(theirs, f"{VECTOR}/block_sums", lambda sums: sums * (1 + 1e-9))
    assert verified(ours, theirs, "--tolerance", "0.01")[0] == 1


def test_a_run_that_adds_another_vector_judges_none(twins, verified):
    ours, theirs = twins()
    changed(theirs, f"{VECTOR}/mean", at_layer(4, 2.0))
    assert verified(ours, theirs, "--tolerance", "0.01")[0] == 0
    with h5py.File(theirs, "r+") as file:
        file["models/small/runs/refusal"].attrs["vectors"] = "hedging"
    assert verified(ours, theirs, "--tolerance", "0.01")[0] == 1


def test_a_layer_that_no_run_has_is_not_judged_by_the_others(twins, verified):
    ours, theirs = twins()
    for path in (ours, theirs):
        with h5py.File(path, "r+") as file:
            file["models/small/runs/refusal/layer"][...] = np.arange(6) + 1  # no layer 0
    changed(theirs, f"{VECTOR}/mean", at_layer(3, 2.0))
    assert verified(ours, theirs, "--tolerance", "0.01")[0] == 0
    changed(theirs, f"{VECTOR}/mean", at_layer(0, 2.0))
    assert verified(ours, theirs, "--tolerance", "0.01")[0] == 1


def test_nan_in_one_vector_passes_no_tolerance(twins, verified):
    ours, theirs = twins()
    changed(theirs, f"{VECTOR}/mean", at_layer(2, np.nan))
    code, found = verified(ours, theirs, "--tolerance", "1")
    assert code == 1 and vector_named(found)["distance"] == {"value": None, "layer": 2, "array": "mean"}
    changed(ours, f"{VECTOR}/mean", at_layer(2, np.nan))
    assert verified(ours, theirs)[0] == 0
    changed(theirs, f"{VECTOR}/mean", at_layer(4, 1.001))
    code, found = verified(ours, theirs, "--tolerance", "0.01")
    assert code == 0 and vector_named(found)["distance"]["layer"] == 4


def test_a_vector_that_is_not_done_is_counted_and_its_blocks_are_compared(twins, verified):
    sweep = Sweep()
    ours, theirs = twins(sweep, Sweep(state={sweep.unit_numbers(VECTORS, 0, 0)[0]: ABSENT}))
    code, found = verified(ours, theirs)
    assert code == 0 and vector_named(found)["compared"] == {"blocks": 2}
    assert [(one["where"], one["what"], one["other"]) for one in found["not_compared"]] == [("small/refusal", "vectors", 1)]
    changed(theirs, f"{VECTOR}/block_sums", one_bit((1, 5, 3)))
    assert verified(ours, theirs)[0] == 1


def test_models_of_other_widths_have_no_vectors_in_common(twins, verified):
    ours, theirs = twins(Sweep(), Sweep(hidden=8))
    found = verified(ours, theirs)[1]
    assert vector_named(found)["values"] == 0
    assert ("small/refusal", "hidden sizes", 1, 1) in [
        (one["where"], one["what"], one["results"], one["other"]) for one in found["not_compared"]]


def with_activations(path, seed=0):
    """Adds stored activations of one source, as `store: activations` makes them."""
    with h5py.File(path, "r+") as file:
        group = file.create_group("models/small/activations/refusal")
        group["activations"] = np.random.default_rng(seed).normal(size=(8, 2, 6, 16)).astype("f2")
        group["member"] = np.array(["matching", "other"], dtype=made_up.TEXT)
        group["layer"] = np.arange(6, dtype="i4")
    return path


def test_stored_activations_are_compared_pair_by_pair(twins, verified):
    ours, theirs = map(with_activations, twins())
    code, found = verified(ours, theirs)
    assert code == 0 and vector_named(found)["compared"] == {"layers": 6, "blocks": 2, "pairs with activations": 8}
    changed(theirs, "models/small/activations/refusal/activations", one_bit((7, 1, 3, 2)))
    code, found = verified(ours, theirs)
    assert code == 1 and vector_named(found)["arrays"] == ["activations"] and vector_named(found)["distance"]["layer"] == 3


def test_activations_of_pairs_that_are_not_done_or_not_there_are_left_out(twins, verified):
    sweep = Sweep()
    ours, theirs = twins(sweep, Sweep(state={sweep.unit_numbers(EXTRACT, 0, 0)[1]: ABSENT}))
    with_activations(ours)
    found = verified(ours, theirs)[1]
    assert ("small/refusal", "activations", 1, 0) in [
        (one["where"], one["what"], one["results"], one["other"]) for one in found["not_compared"]]
    with_activations(theirs)
    changed(theirs, "models/small/activations/refusal/activations", lambda values: np.where(
        np.arange(8)[:, None, None, None] < 4, values, 0).astype("f2"))
    code, found = verified(ours, theirs)
    assert code == 0 and vector_named(found)["compared"]["pairs with activations"] == 4
