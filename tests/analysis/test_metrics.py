"""Scores, mass, effects and intervals against numbers worked out by hand."""

import numpy as np
import pytest

from steergrid_analysis import metrics

AB = ("A", "B")


def test_the_score_is_the_share_of_the_matching_letter_among_a_and_b():
    p = np.array([[0.3, 0.1], [0.2, 0.6]])
    assert metrics.scores_from_probabilities(p, np.array([0, 0]), np.array([0, 1])).tolist() == [0.3 / (0.3 + 0.1), 0.2 / (0.2 + 0.6)]
    np.testing.assert_allclose(metrics.scores(np.log(p), np.array([0, 1]), AB), [0.75, 0.75], rtol=1e-14)


def test_a_question_whose_letter_is_neither_a_nor_b_adds_nothing_but_counts():
    logprob = np.log([[0.25, 0.25, 0.5], [0.4, 0.1, 0.5]])
    score = metrics.scores(logprob, np.array([2, 0]), ("A", "B", "C"), "caa")
    np.testing.assert_allclose(score, [0.0, 0.8])
    assert metrics.mean(score) == pytest.approx(0.4)
    assert metrics.count(score) == 2


def test_the_other_convention_divides_by_all_letters():
    logprob = np.log([[0.25, 0.25, 0.5], [0.4, 0.1, 0.5]])
    np.testing.assert_allclose(metrics.scores(logprob, np.array([2, 0]), ("A", "B", "C"), "letters"), [0.5, 0.4])


def test_no_matching_letter_at_all_scores_zero():
    assert metrics.scores(np.log([[0.5, 0.5]]), np.array([-1]), AB).tolist() == [0.0]


def test_scores_survive_probabilities_that_underflow():
    np.testing.assert_allclose(metrics.scores(np.array([[-2000.0, -2000.0]]), np.array([0]), AB), [0.5])


def test_an_unmeasured_question_is_left_out_of_the_mean_and_the_count():
    score = metrics.scores(np.array([[np.nan, np.nan], np.log([0.9, 0.1])]), np.array([0, 0]), AB)
    assert np.isnan(score[0]) and metrics.count(score) == 1
    assert metrics.mean(score) == pytest.approx(0.9)


def test_the_mean_of_nothing_is_nan_and_not_an_error():
    assert np.isnan(metrics.mean(np.full((3, 2), np.nan))).all()
    assert np.isnan(metrics.mean(np.zeros((0, 2)))).all()


def test_the_mass_is_the_probability_of_the_letters_that_the_score_divides_by():
    logprob = np.log([[0.3, 0.2, 0.4]])
    np.testing.assert_allclose(metrics.mass(logprob, ("A", "B", "C")), [0.5])
    np.testing.assert_allclose(metrics.mass(logprob, ("A", "B", "C"), "letters"), [0.9])


def test_effects_are_taken_question_by_question_against_the_unsteered_model():
    effect = metrics.effects(np.array([[[0.5, 0.9]], [[0.2, 0.4]]]), np.array([0.5, 0.1]))
    np.testing.assert_allclose(effect[:, 0], [[0.0, 0.4], [0.1, 0.3]])


def test_the_span_is_plus_c_minus_minus_c_and_nothing_with_one_sign():
    score = np.array([[[0.2, 0.5, 0.9]]])
    np.testing.assert_allclose(metrics.spans(score, np.array([-1.0, 0.0, 1.0]), 1.0), [[0.7]])
    assert np.isnan(metrics.spans(score, np.array([0.0, 0.5, 1.0]), 1.0)).all()
    assert np.isnan(metrics.spans(score, np.array([-1.0, -0.5, 0.0]), 1.0)).all()


def test_the_layer_is_chosen_by_what_both_signs_do_or_by_the_one_that_was_run():
    effect = np.array([[-0.3, 0.0, 0.1], [-0.1, 0.0, 0.2]])
    np.testing.assert_allclose(metrics.pushes(effect, np.array([-1.0, 0.0, 1.0]), 1.0), [0.4, 0.3])
    np.testing.assert_allclose(metrics.pushes(effect[:, 1:], np.array([0.0, 1.0]), 1.0), [0.1, 0.2])
    np.testing.assert_allclose(metrics.pushes(effect[:, :2], np.array([-1.0, 0.0]), 1.0), [0.3, 0.1])
    effect[:, 0] = np.nan
    np.testing.assert_allclose(metrics.pushes(effect, np.array([-1.0, 0.0, 1.0]), 1.0), [0.1, 0.2])


@pytest.mark.parametrize("coefficients, expected", [
    ([-2, -1, 0, 1, 2], 1.0), ([-1, 0], 1.0), ([-4, -2, 2, 4], 2.0), ([0, 0.5, 2, -2], 2.0), ([0, 3], 3.0), ([0], None),
    ([-2, 0, 1, 2], 2.0)])
def test_summaries_compare_plus_and_minus_one_where_the_list_has_both(coefficients, expected):
    assert metrics.reference_coefficient(np.array(coefficients, dtype=float)) == expected


def test_the_best_layer_has_the_greatest_span_and_ignores_unmeasured_ones():
    assert metrics.best_layer(np.array([0.1, np.nan, 0.6, 0.6, -0.9])) == 2
    assert metrics.best_layer(np.full(3, np.nan)) is None


def test_the_top_token_share_is_that_of_the_commonest_token():
    token, share = metrics.top_token_share(np.array([[7, -1], [7, -1], [9, -1]]))
    assert token.tolist() == [7, -1] and share[0] == pytest.approx(2 / 3) and np.isnan(share[1])


def test_a_letter_is_on_top_when_no_token_is_likelier():
    on_top = metrics.letter_on_top(np.log([[0.4, 0.1], [0.2, 0.1], [0.3, 0.1]]), np.array([np.log(0.4), np.log(0.5), np.nan]))
    assert on_top[:2].tolist() == [1.0, 0.0] and np.isnan(on_top[2])


def test_the_same_seed_draws_the_same_resamples_and_another_seed_others():
    first = metrics.resample_weights(20, 5, 100)
    assert np.array_equal(first, metrics.resample_weights(20, 5, 100))
    assert not np.array_equal(first, metrics.resample_weights(20, 6, 100))
    assert (first.sum(axis=1) == 20).all()


def test_an_interval_is_the_percentiles_of_the_resampled_means():
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=(15, 2, 3)), metrics.resample_weights(15, 0, 500)
    low, high = metrics.bootstrap_interval(values, weights)
    means = np.array([np.average(values[:, 1, 2], weights=w) for w in weights])
    np.testing.assert_allclose([low[1, 2], high[1, 2]], np.percentile(means, [2.5, 97.5]), rtol=1e-10)


def test_an_interval_over_questions_with_gaps_uses_the_measured_ones_only():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(30, 1))
    with_gap = np.vstack([values, np.full((10, 1), np.nan)])
    low, high = metrics.bootstrap_interval(with_gap, metrics.resample_weights(40, 0))
    own_low, own_high = metrics.bootstrap_interval(values, metrics.resample_weights(30, 0))
    assert low == pytest.approx(own_low, abs=0.08) and high == pytest.approx(own_high, abs=0.08)


def test_fewer_than_ten_measured_questions_give_no_interval():
    values = np.random.default_rng(5).normal(size=(10, 2))
    weights = metrics.resample_weights(10, 0)
    assert np.isfinite(metrics.bootstrap_interval(values, weights)).all()
    values[3, 1] = np.nan
    low, high = metrics.bootstrap_interval(values, weights)
    assert np.isfinite([low[0], high[0]]).all() and np.isnan([low[1], high[1]]).all()
    effect = np.stack([-values[:, :1], values[:, :1]], axis=-1)
    few = metrics.imbalance(effect[:9], np.array([-1.0, 1.0]), 1.0, metrics.resample_weights(9, 0))
    assert np.isfinite(few[0]).all() and np.isnan(few[1:]).all()


def test_intervals_of_differences_are_paired():
    rng = np.random.default_rng(3)
    lean, weights = rng.uniform(size=(50, 1)), metrics.resample_weights(50, 0)
    low, high = metrics.bootstrap_interval((lean + 0.1) - lean, weights)
    assert high - low < 1e-12 and low == pytest.approx(0.1)


def test_95_percent_intervals_hold_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(4)
    samples = rng.uniform(size=(50, 1000))  # each column an experiment, true mean 0.5
    low, high = metrics.bootstrap_interval(samples, metrics.resample_weights(50, 0))
    assert 0.91 < np.mean((low < 0.5) & (0.5 < high)) < 0.97
