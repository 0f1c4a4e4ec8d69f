"""A run X.validation chooses the layer that run X reports."""

import h5py
import numpy as np
import pytest

from made_up import EVALUATE, Sweep
from steergrid_analysis import findings, open_results, summarise
from steergrid_analysis.selection import chooses_for

VALIDATED = Sweep(models={"small": 10}, validation=("refusal",), questions=20)


def changed(path, change):
    """The summary of a file after `change` was made to it."""
    with h5py.File(path, "r+") as file:
        change(file)
    with open_results(path) as results:
        return summarise(results)


def move_peak(file, run: str, layer: int) -> None:
    """Gives another layer the greatest span, by exchanging it with layer 2, where it is made up to be."""
    place = file[f"models/small/runs/{run}"]
    for name in ("letter_logprob", "top_logprob", "top_token"):
        values = place[name][()]
        values[:, [2, layer]] = values[:, [layer, 2]]
        place[name][()] = values


@pytest.mark.parametrize("name, expected", [("refusal.validation", "refusal"), ("refusal", None), ("other.validation", None),
                                            (".validation", None)])
def test_the_name_alone_says_which_run_chooses_for_which(name, expected):
    assert chooses_for(name, ["refusal", "refusal.validation", name]) == expected


def test_the_layer_comes_from_the_validation_run_and_the_numbers_from_the_run_itself(file_of):
    summary = changed(file_of(VALIDATED), lambda file: move_peak(file, "refusal.validation", 7))
    refusal, hedging, validation = summary.runs
    assert validation.best_layer == 7 == refusal.best_layer and refusal.chosen_on == "refusal.validation"
    span = refusal.layers["span"].sel(layer=7)
    assert refusal.layer_at_best("span").value == float(span) < float(refusal.layers["span"].max())
    assert hedging.chosen_on is None and validation.chooses_for == "refusal"
    assert summary.reported == [refusal, hedging]


def test_without_a_validation_run_the_page_says_that_effects_are_optimistic(summary_of):
    both = Sweep(validation=("refusal", "hedging"))
    assert "optimistic" in findings.chosen(summary_of().reported)
    assert findings.chosen(summary_of(both).reported).startswith("Layer chosen on validation questions")
    assert "marked *" in findings.chosen(summary_of(VALIDATED).reported)


@pytest.mark.parametrize("attribute, value", [("vectors", "hedging"), ("positions", "all"),
                                              ("coefficient_unit", "residual_norm")])
def test_a_validation_run_of_something_else_chooses_nothing_and_the_page_says_why(file_of, attribute, value):
    def change(file):
        file["models/small/runs/refusal.validation"].attrs[attribute] = value
    summary = changed(file_of(VALIDATED), change)
    assert summary.runs[0].chosen_on is None and summary.runs[0].best_layer == 2
    assert any(f"differs in {attribute.replace('_', ' ')}" in gap for gap in findings.gaps(summary))


def test_an_unfinished_validation_run_chooses_nothing_yet(summary_of):
    sweep = Sweep(models={"small": 10}, validation=("refusal",), questions=20)
    sweep.state = {unit: 0 for unit in sweep.unit_numbers(EVALUATE, 0, 2)}
    summary = summary_of(sweep)
    assert summary.runs[0].chosen_on is None and summary.runs[0].best_layer == 2
    assert any("chooses none yet" in gap for gap in findings.gaps(summary))


def test_questions_that_stand_in_both_runs_are_counted(file_of):
    def change(file):
        text = file["models/small/runs/refusal.validation/text"]
        text[0] = "refusal: question 3?"
    summary = changed(file_of(VALIDATED), change)
    assert summary.runs[0].chosen_on == "refusal.validation"
    assert any("1 question is also in refusal.validation: not held out." in gap for gap in findings.gaps(summary))


def test_the_model_s_own_best_layer_is_found_on_the_choosing_questions(file_of):
    sweep = Sweep(models={"small": 10}, behaviors=("refusal",), validation=("refusal",), questions=20)
    summary = changed(file_of(sweep), lambda file: move_peak(file, "refusal.validation", 7))
    assert summary.models[0].best_layer == 7
    assert np.isfinite(summary.models[0].between.sel(layer=7)).all()
