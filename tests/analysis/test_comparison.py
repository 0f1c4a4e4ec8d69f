"""Effects across models: sizes, depths, added lengths, signs, and what is left out where there is one model."""

import h5py
import numpy as np
import pytest

from made_up import EVALUATE, VECTORS, Sweep
from steergrid_analysis import comparison, draw_models, figures, findings, metrics, open_results, summarise, tables

FAMILY = Sweep(models={"large": 8, "small": 4}, questions=16)  # made up to have 160,000 parameters each
FAMILY_UP = Sweep(models={"small": 4, "large": 8}, questions=16)


def test_models_are_compared_by_size_and_only_where_they_share_a_run(summary_of):
    compared = comparison.across_sizes(summary_of(FAMILY_UP))
    assert list(compared) == ["refusal", "hedging"]
    assert [point.model for point in compared["refusal"]] == ["small", "large"]
    sizes = [point.parameters for point in compared["refusal"]]
    assert sizes == sorted(sizes) and len(set(sizes)) == 2


def changed(path, change):
    """The summary of a file after `change` was made to it."""
    with h5py.File(path, "r+") as file:
        change(file)
    with open_results(path) as results:
        return summarise(results)


def test_models_are_compared_at_a_coefficient_that_all_have_and_the_others_are_named(file_of):
    def without_one(file):
        file["models/large/runs/refusal/letter_logprob"][:, :, 1:4:2] = np.nan  # -1 and 1
        file["models/large/runs/hedging"].attrs["coefficient_unit"] = "residual_norm"
    sweep = Sweep(models={"small": 4, "middle": 5, "large": 8})
    summary = changed(file_of(sweep), without_one)
    compared = comparison.across_sizes(summary)
    assert [(point.model, point.coefficient) for point in compared["refusal"]] == [("small", 2), ("middle", 2), ("large", 2)]
    assert compared["refusal"][0].plus == summary.models[0].runs[0].at_best(2.0, "effect")
    assert [point.model for point in compared["hedging"]] == ["small", "middle"]
    assert comparison.left_out(summary) == ["hedging is compared at c = 1 × v′, which leaves out large (c = 1 × ‖h‖)."]


def test_models_of_one_size_stand_side_by_side_without_a_line(summary_of):
    summary = summary_of(Sweep(models={"one": 8, "other": 4, "large": 4}, behaviors=("refusal",)))
    figure = draw_models.effect_by_size(summary)
    marks = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    assert len(set(np.round(marks))) == 3 == len(marks)
    assert any("from the left: one (bfloat16), other (bfloat16)" in text.get_text() for text in figure.legends[0].get_texts())
    assert not any(len(set(line.get_xdata())) == 3 for line in figure.axes[0].lines)


def test_effects_on_little_letter_mass_are_hollow_and_in_no_mean(file_of):
    def drained(file):
        place = file["models/large/runs/refusal/letter_logprob"]
        place[:, :, 3] = place[:, :, 3] - 5
    summary = changed(file_of(FAMILY_UP), drained)
    point = comparison.across_sizes(summary)["refusal"][1]
    assert point.mass_plus < 0.01 < 0.5 < point.mass_minus
    words = findings.size(summary)
    assert words[0].startswith("1 of 2 behaviors is not in the means below") and "over 1 behavior goes" in words[1]
    figure = draw_models.effect_by_size(summary)
    assert "white" in [line.get_markerfacecolor() for line in figure.axes[0].lines]
    assert any("hollow" in text.get_text() for text in figure.legends[0].get_texts())
    large = tables.size(summary).set_index(["run", "model"]).loc[("refusal", "large")]
    assert large["mass_plus"] == point.mass_plus and large["coefficient"] == 1.0 and "Mass" in tables.size_latex(summary)


@pytest.mark.parametrize("sweep", [Sweep(), FAMILY], ids=["one model", "two of one size"])
def test_without_models_of_different_size_nothing_is_said_about_size(summary_of, sweep):
    summary = summary_of(sweep)
    assert not comparison.across_sizes(summary) and not findings.size(summary)
    assert not {"size", "dose"} & {entry.kind for entry in figures.all_figures(summary)}


def test_a_run_that_only_one_model_finished_is_not_compared(summary_of):
    sweep = Sweep(models={"small": 4, "large": 8})
    sweep.state = {unit: 0 for unit in sweep.unit_numbers(EVALUATE, 1, 0)}
    assert list(comparison.across_sizes(summary_of(sweep))) == ["hedging"]


def test_depth_effects_and_length_are_those_of_the_best_layer(summary_of):
    summary = summary_of(FAMILY_UP)
    point = comparison.across_sizes(summary)["refusal"][1]
    run, vectors = summary.models[1].runs[0], summary.models[1].vectors[0]
    assert point.depth == (run.best_layer + 1) / 8
    ratio = float(vectors.layers["ratio"].sel(layer=run.best_layer))
    assert point.dose == pytest.approx(ratio)
    assert point.plus == run.at_best(1.0, "effect") and point.minus == run.at_best(-1.0, "effect")
    assert point.plus_per_dose.value == pytest.approx(point.plus.value * comparison.DOSE_UNIT / ratio)
    np.testing.assert_allclose(comparison.doses(summary.models[1], run), np.array(FAMILY_UP.coefficients) * ratio)
    effect = {sign: run.cells["effect"].sel(coefficient=sign).values for sign in (1.0, -1.0)}
    assert (point.peak_plus, point.peak_minus) == (effect[1.0].argmax(), effect[-1.0].argmin())


def test_coefficients_in_units_of_the_residual_are_the_length_themselves(summary_of):
    summary = summary_of(Sweep(models={"small": 4, "large": 8}, coefficient_unit="residual_norm"))
    assert [point.dose for point in comparison.points(summary)] == [1.0] * 4


def test_without_vectors_or_with_an_unknown_unit_the_length_is_not_known(summary_of):
    sweep = Sweep()
    sweep.state = {unit: 0 for unit in sweep.unit_numbers(VECTORS, 0, 0)}
    for summary in (summary_of(sweep), summary_of(Sweep(coefficient_unit="?"))):
        point = comparison.points(summary)[0]
        assert np.isnan(point.dose) and point.plus_per_dose is None and point.plus is not None


def test_the_sentence_about_size_holds_the_means_of_the_smallest_and_the_largest_model(summary_of):
    summary = summary_of(FAMILY_UP)
    found = list(comparison.across_sizes(summary).values())
    small, large = (100 * np.mean([points[end].plus.value for points in found]) for end in (0, -1))
    plain, per_length = findings.size(summary)
    assert plain.startswith("From small to large the mean effect over 2 behaviors goes from ")
    assert f"{small:+.1f} to {large:+.1f} points with +c" in plain and "per 10 %" in per_length


def imbalance(up, down, coefficients=(-1.0, 0.0, 1.0)):
    up, down = np.asarray(up, dtype=float), np.asarray(down, dtype=float)
    effect = np.stack([down, 0 * up, up], axis=-1)[:, None, :]
    return metrics.imbalance(effect, np.array(coefficients), 1.0, metrics.resample_weights(len(up), 0))[:, 0]


def test_the_imbalance_is_the_difference_of_the_sizes_of_the_mean_effects():
    up, down = np.random.default_rng(1).normal((0.1, -0.4), 0.05, size=(60, 2)).T
    value, low, high = imbalance(up, down)
    assert value == pytest.approx(abs(down.mean()) - abs(up.mean())) and 0 < low < value < high
    assert imbalance(down, up)[0] == pytest.approx(-value)


def test_equal_effects_of_both_signs_have_no_imbalance_in_any_resample():
    up = np.random.default_rng(2).normal(0.3, 0.1, size=40)
    np.testing.assert_allclose(imbalance(up, -up), 0, atol=1e-15)


def test_the_imbalance_is_paired_a_question_without_one_sign_counts_for_neither():
    value, _, _ = imbalance([0.2, 0.2, 0.9], [-0.3, -0.3, np.nan])
    assert value == pytest.approx(0.1)
    assert np.isnan(imbalance([np.nan, np.nan], [0.1, 0.1])).all()
    effect = np.zeros((4, 2, 2))
    assert np.isnan(metrics.imbalance(effect, np.array([0.0, 1.0]), 1.0, metrics.resample_weights(4, 0))).all()
