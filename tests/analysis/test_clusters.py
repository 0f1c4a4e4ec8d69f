"""Questions that stand in both orders of their choices, or twice, are drawn together."""

import numpy as np
import pytest

from made_up import EVALUATE, Sweep
from steergrid_analysis import cli, findings, metrics, tables
from steergrid_analysis.clusters import clusters
from steergrid_analysis.findings_questions import repeats

YES_NO = "May I?\n\nChoices:\n (A) yes, you may\n (B) no"
NO_YES = "May I?\n\nChoices:\n (A) no\n (B) yes, you may"
PAIRS = Sweep(models={"small": 10}, questions=20, both_orders=True)


@pytest.mark.parametrize("texts, index", [
    ([YES_NO, NO_YES], [0, 0]),
    ([YES_NO, YES_NO], [0, 0]),
    ([YES_NO, NO_YES.replace("\n (", "\n(")], [0, 0]),
    ([YES_NO, NO_YES.replace("\n", "\r\n") + "\n"], [0, 0]),
    ([YES_NO, NO_YES.replace("May", "Must")], [0, 1]),
    ([YES_NO, YES_NO.replace("(B) no", "(B) never")], [0, 1]),
    (["Q?\n(A) x\n(B) y\n(C) z", "Q?\n(A) z\n(B) x\n(C) y", "Q?\n(A) x\n(B) y"], [0, 0, 1]),
    (["Q?\n (A) one\nand more\n (B) two", "Q?\n (A) two\n (B) one\nand more", "Q?\n (A) two\nand more\n (B) one"], [0, 0, 1]),
    ([YES_NO + "\n\nAnswer:", NO_YES + "\n \nAnswer:", YES_NO + "\n\nReply:", YES_NO], [0, 0, 1, 2]),
    (["Yes (A) or no (B)?", "Yes (B) or no (A)?", "Yes (A) or no (B)?"], [0, 1, 0]),
    (["Q?\n(A) only one", "Q?\n(B) only one", ""], [0, 1, 2]),
    (["", ""], [0, 1]),
    ([], [])])
def test_a_question_is_the_same_in_any_order_of_its_choices_and_in_no_other_way(texts, index):
    found = clusters(texts)
    assert found.index.tolist() == index and found.count == len(set(index))


def test_pairs_are_told_from_verbatim_copies_and_from_groups_of_other_sizes():
    assert clusters([YES_NO, NO_YES]).pairs
    assert not clusters([YES_NO, YES_NO]).pairs
    assert not clusters([YES_NO, NO_YES, "other"]).pairs and not clusters([YES_NO, NO_YES, YES_NO]).pairs
    assert not clusters([]).pairs


def test_text_of_any_length_is_read_in_one_pass():
    long = "\n" * 200_000 + " " * 200_000 + "(A" * 200_000 + "\n \t" * 200_000
    assert clusters([long, long]).count == 1


def test_questions_that_are_all_different_are_drawn_by_the_same_numbers_as_before():
    alone = metrics.resample_weights(20, 5, 300)
    assert np.array_equal(alone, metrics.resample_weights(20, 5, 300, np.arange(20)))
    values = np.random.default_rng(1).normal(size=(20, 2, 3))
    assert np.array_equal(metrics.bootstrap_interval(values, alone), metrics.bootstrap_interval(values, alone, np.arange(20)))


def test_asking_every_question_twice_makes_no_interval_narrower():
    values = np.random.default_rng(2).normal(size=(15, 4))
    cluster = np.repeat(np.arange(15), 2)
    once = metrics.bootstrap_interval(values, metrics.resample_weights(15, 0))
    twice = metrics.bootstrap_interval(values[cluster], metrics.resample_weights(30, 0, cluster=cluster), cluster)
    np.testing.assert_allclose(twice, once, rtol=1e-12)


def test_a_preference_for_a_letter_that_evens_out_in_every_pair_makes_no_interval_wider():
    prefers = np.where(np.arange(40) % 2, 0.9, 0.1)[:, None]
    cluster = np.arange(40) // 2
    low, high = metrics.bootstrap_interval(prefers, metrics.resample_weights(40, 0, cluster=cluster), cluster)
    assert high - low < 1e-12 and low == pytest.approx(0.5)


def test_the_resampled_statistic_is_the_mean_over_the_questions_drawn():
    values, cluster = np.random.default_rng(3).normal(size=(20, 1)), np.repeat(np.arange(12), [3, 1, 2] * 3 + [1, 1, 0])[:20]
    weights = metrics.resample_weights(20, 0, 400, cluster)
    means = [np.average(values[:, 0], weights=row) for row in weights]
    assert len(set(weights.sum(axis=1))) > 1 and all((row[cluster == 0] == row[0]).all() for row in weights)
    found = np.ravel(metrics.bootstrap_interval(values, weights, cluster))
    np.testing.assert_allclose(found, np.percentile(means, [2.5, 97.5]), rtol=1e-10)


def test_fewer_than_ten_different_questions_give_no_interval_however_often_they_are_asked():
    values, cluster = np.random.default_rng(4).normal(size=(20, 2)), np.arange(20) // 2
    values[4, 1] = np.nan  # its twin is measured
    weights = metrics.resample_weights(20, 0, cluster=cluster)
    assert np.isfinite(metrics.bootstrap_interval(values, weights, cluster)).all()
    values[5, 1] = np.nan
    assert np.isnan(metrics.bootstrap_interval(values, weights, cluster)).any(axis=0).tolist() == [False, True]
    assert metrics.count_clusters(values, cluster).tolist() == [10, 9]
    effect = np.stack([-values[:, 1:], values[:, 1:]], axis=-1)
    tilt = metrics.imbalance(effect, np.array([-1.0, 1.0]), 1.0, weights, cluster)
    assert np.isfinite(tilt[0]).all() and np.isnan(tilt[1:]).all()


def test_95_percent_intervals_over_pairs_hold_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(5)
    cluster = np.arange(100) // 2
    samples = np.repeat(rng.normal(size=(50, 1000)), 2, axis=0) + 0.3 * rng.normal(size=(100, 1000))  # true mean 0
    def coverage(cluster):
        low, high = metrics.bootstrap_interval(samples, metrics.resample_weights(100, 0, cluster=cluster), cluster)
        return np.mean((low < 0) & (0 < high))
    assert 0.91 < coverage(cluster) < 0.97 and coverage(None) < 0.88


def test_a_run_counts_its_different_questions_for_intervals_and_all_of_them_for_means(summary_of):
    pairs, alone = summary_of(PAIRS).runs[0], summary_of(Sweep(models={"small": 10}, questions=20)).runs[0]
    assert (pairs.different, pairs.both_orders) == (10, True) and (alone.different, alone.both_orders) == (20, False)
    assert np.isfinite(pairs.cells["effect_low"]).all() and (pairs.cells["n"] == 20).all()
    few = summary_of(Sweep(questions=18, both_orders=True)).runs[0]
    assert np.isnan(few.cells["effect_low"]).all() and not few.baseline.has_interval and np.isnan(few.layers["tilt_low"]).all()


def test_the_report_says_what_intervals_resample(summary_of, file_of, tmp_path):
    assert repeats(summary_of(Sweep(questions=20)).reported) is None
    words = "20 questions in 10 pairs of both orders; intervals resample the 10."
    assert repeats(summary_of(PAIRS).reported) == words
    assert cli.main(["report", str(file_of(PAIRS)), "-o", str(tmp_path / "out")]) == 0
    assert words in (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "intervals over different questions" in tables.best_latex(summary_of(PAIRS))
    assert tables.best(summary_of(PAIRS))["questions_different"].tolist() == [10, 10]


def test_runs_of_different_questions_are_told_apart(summary_of):
    sweep = Sweep(questions=20, both_orders=True)
    sweep.state = {unit: 0 for unit in sweep.unit_numbers(EVALUATE, 0, 0)[1:]}
    assert repeats(summary_of(sweep).reported) == (
        "refusal: 4 questions in 2 pairs of both orders; too few for intervals. "
        "hedging: 20 questions in 10 pairs of both orders; intervals resample the 10.")
    odd = Sweep(questions=21, both_orders=True)
    assert "21 questions of which 11 differ by more than the order of their choices" in repeats(summary_of(odd).reported)


def test_too_few_different_questions_are_said_to_be_too_few(summary_of):
    few = summary_of(Sweep(questions=18, both_orders=True))
    assert findings.headline(few).startswith("Fewer than 10 different questions a row: too few")
