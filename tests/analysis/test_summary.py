"""What the summary of a file says: baselines, best layers, partial sweeps."""

import numpy as np
import pytest

from made_up import BLOCKED, EVALUATE, Sweep
from steergrid_analysis import open_results


def test_coefficient_zero_is_the_unsteered_model_in_every_layer(summary_of):
    for run in summary_of().runs:
        zero = run.cells.sel(coefficient=0.0)
        assert (zero["effect"] == 0).all() and (zero["effect_low"] == 0).all() and (zero["effect_high"] == 0).all()
        assert (zero["score"] == run.baseline.value).all()
        assert zero["mass"].values == pytest.approx(run.baseline_mass)


def test_the_effect_is_the_difference_of_the_scores_and_lies_in_its_interval(summary_of):
    cells = summary_of().runs[0].cells
    np.testing.assert_allclose(cells["effect"], cells["score"] - cells["score"].sel(coefficient=0.0), atol=1e-15)
    assert (cells["effect_low"] <= cells["effect"] + 1e-12).all() and (cells["effect"] <= cells["effect_high"] + 1e-12).all()


def test_scores_equal_those_computed_by_hand_from_the_file(file_of, summary_of):
    summary = summary_of()
    with open_results(file_of()) as results:
        run = results.run("small", "refusal")
    p = np.exp(run["letter_logprob"].values)[:, 1, 4]
    by_hand = np.mean([p[q, m] / (p[q, 0] + p[q, 1]) for q, m in enumerate(run["matching_letter"].values)])
    assert float(summary.runs[0].cells["score"][1, 4]) == pytest.approx(by_hand, rel=1e-13)


def test_the_best_layer_is_where_the_made_up_effect_peaks(summary_of):
    refusal, _ = summary_of(Sweep(models={"small": 10}, questions=40)).runs
    assert refusal.best_layer == 2  # depth 0.3 of 10 layers
    assert refusal.at_best(1.0, "score").value > refusal.baseline.value > refusal.at_best(-1.0, "score").value
    assert refusal.at_best(7.0, "score") is None


def test_the_same_file_gives_the_same_summary_and_its_seed_decides_the_intervals(summary_of):
    first, again, other = summary_of(), summary_of(), summary_of(Sweep(seed=8))
    assert first.runs[0].cells.identical(again.runs[0].cells)
    assert not np.array_equal(first.runs[0].cells["score_low"], other.runs[0].cells["score_low"])


def test_a_partly_finished_run_reports_the_questions_it_has(summary_of):
    sweep = Sweep()
    sweep.state = {unit: 0 for unit in sweep.unit_numbers(EVALUATE, 0, 0)[1:]}
    partial, whole = summary_of(sweep).runs
    assert (partial.questions_done, partial.questions, partial.complete) == (4, 12, False)
    assert (partial.cells["n"] == 4).all() and np.isfinite(partial.cells["score"]).all()
    assert whole.complete


def test_a_run_without_a_finished_unit_has_a_summary_of_nothing(summary_of):
    sweep = Sweep()
    sweep.state = {unit: BLOCKED for unit in sweep.unit_numbers(EVALUATE, 0, 0)}
    run = summary_of(sweep).runs[0]
    assert not run.measured and run.best_layer is None and np.isnan(run.baseline.value)
    assert (run.cells["n"] == 0).all() and np.isnan(run.cells["score_low"]).all()


def test_units_with_the_baseline_only_give_a_baseline_and_no_cells(summary_of):
    sweep = Sweep()
    sweep.flags = {unit: 2 for unit in sweep.unit_numbers(EVALUATE, 0, 0)}
    run = summary_of(sweep).runs[0]
    assert 0 < run.baseline.value < 1 and not run.measured and not run.complete


def test_a_sweep_of_which_nothing_ran_can_be_summarised(summary_of):
    summary = summary_of(Sweep(all_state=0))
    assert summary.counts.done == 0 and not any(run.measured for run in summary.runs)


def test_a_single_non_finite_cell_is_left_out_of_that_cell_only(file_of):
    import h5py
    from steergrid_analysis import summarise
    path = file_of()
    with h5py.File(path, "r+") as file:
        file["models/small/runs/refusal/letter_logprob"][3, 2, 1] = np.nan
    with open_results(path) as results:
        cells = summarise(results).runs[0].cells
    assert int(cells["n"][2, 1]) == 11 and int(cells["n"].sum()) == 12 * 30 - 1
    assert np.isfinite(cells["effect_low"]).all()


def test_runs_with_more_letters_count_the_others_as_zero_in_the_caa_convention(summary_of):
    sweep = Sweep(letters=("A", "B", "C"), questions=12)
    caa, letters = summary_of(sweep).runs[0], summary_of(sweep, convention="letters").runs[0]
    assert float(caa.cells["score"].max()) <= 2 / 3 and (caa.cells["n"] == 12).all()
    assert float(letters.cells["mass"][0, 0]) == pytest.approx(float(caa.cells["mass_letters"][0, 0]))


def test_without_a_coefficient_that_steers_there_is_no_best_layer(summary_of):
    run = summary_of(Sweep(coefficients=(0.0,))).runs[0]
    assert run.reference is None and run.best is None and run.measured


def test_vector_norms_are_those_of_what_was_added(summary_of):
    vectors = summary_of().models[0].vectors[0].layers
    np.testing.assert_allclose(vectors["ratio"], vectors["norm"] / vectors["residual_norm"])
    assert (vectors["norm"] != vectors["raw_norm"]).all()
