"""What the report says of matching letters that are not balanced, or neither A nor B."""

import h5py
import numpy as np
import pytest

import made_up
from made_up import EVALUATE, Sweep
from steergrid_analysis import ResultFileError, cli, open_results, summarise
from steergrid_analysis.findings_questions import letters


@pytest.fixture
def summary_with(file_of):
    """The summary of a sweep after the matching letters of refusal's questions, or of its pairs, were set."""
    def summary(questions=None, pairs=None, sweep=None, **options):
        path = file_of(sweep or Sweep(questions=20))
        with h5py.File(path, "r+") as file:
            for model in file["models"]:
                if questions is not None:
                    file[f"models/{model}/runs/refusal/matching_letter"][...] = questions
                if pairs is not None:
                    source = file[f"models/{model}/vectors/refusal"]
                    del source["matching_text"]
                    source["matching_text"] = np.array(pairs, dtype=made_up.TEXT)
        with open_results(path) as results:
            return summarise(results, **options)
    return summary


def of(a: int, b: int, others: int = 0) -> list[int]:
    return [0] * a + [1] * b + [2] * others


@pytest.mark.parametrize("a", [8, 10, 12])
def test_balanced_letters_are_not_mentioned(summary_with, a):
    assert letters(summary_with(of(a, 20 - a), ["(A)", "(B)"] * 4)) == []


@pytest.mark.parametrize("a, letter, count", [(7, "B", 13), (13, "A", 13), (20, "A", 20)])
def test_questions_whose_letters_are_not_balanced_are_named_with_what_the_letter_alone_gives(summary_with, a, letter, count):
    assert letters(summary_with(of(a, 20 - a))) == [
        f"refusal (small): {letter} is the matching letter of {count} of the 20 questions with A or B. Always answering "
        f"{letter} gives P = {5 * count} %: a mere lean towards {letter} raises P, and steering towards {letter} passes for an effect."]


def test_models_that_share_the_questions_are_named_in_one_sentence(summary_with):
    found = letters(summary_with(of(20, 0), sweep=Sweep(models={"small": 3, "large": 4}, questions=20)))
    assert len(found) == 1 and found[0].startswith("refusal (small, large): A is")


def test_fewer_than_ten_are_not_called_unbalanced(summary_with):
    assert letters(summary_with(of(9, 0), sweep=Sweep(questions=9))) == []
    assert len(letters(summary_with(of(10, 0), sweep=Sweep(questions=10)))) == 1


def test_only_finished_questions_count(summary_with):
    sweep = Sweep(questions=20)
    sweep.state = {unit: 0 for unit in sweep.unit_numbers(EVALUATE, 0, 0)[3:]}
    assert "A is the matching letter of 10 of the 12 questions" in letters(summary_with(of(10, 10), sweep=sweep))[0]


def test_pairs_whose_letters_are_not_balanced_are_named(summary_with):
    pairs = [" (B) ", "(B)"] * 5 + ["(A)"] * 2 + ["(C)"]
    assert letters(summary_with(of(10, 10), pairs, Sweep(questions=20, pairs=13))) == [
        "refusal (small): B is the matching letter of 10 of the 12 pairs with A or B. Part of the vector then points to the "
        "letter B, whatever the behavior."]


def test_a_file_without_the_pairs_answers_says_nothing_of_them_and_damaged_ones_are_an_error(file_of):
    path = file_of()
    with h5py.File(path, "r+") as file:
        del file["models/small/vectors/refusal/matching_text"]
    with open_results(path) as results:
        assert results.pair_letters("small", "refusal") == [] == results.pair_letters("small", "hedging")
        summarise(results)
    with h5py.File(path, "r+") as file:
        file["models/small/vectors/refusal/matching_text"] = np.zeros(8)
    with open_results(path) as results, pytest.raises(ResultFileError, match="strings"):
        summarise(results)


def test_matching_letters_other_than_a_and_b_lower_p_and_the_report_says_to_what(summary_with):
    three = Sweep(questions=20, letters=("A", "B", "C"), behaviors=("refusal",))
    found = summary_with(of(9, 9, 2), sweep=three)
    assert letters(found) == [
        "refusal (small): 2 of 20 questions have a matching letter other than A and B. They add 0 whatever the answer: P is at "
        "most 90 %, and effects are 90 % of those on the rest."]
    rest = summary_with(of(9, 9), sweep=Sweep(questions=18, letters=("A", "B", "C"), behaviors=("refusal",)))
    assert letters(rest) == [] and float(found.runs[0].cells["score"].max()) <= 0.9
    assert letters(summary_with([*of(10, 9), -1], sweep=three))[0].startswith("refusal (small): 1 of 20 questions has a")
    assert letters(summary_with(of(9, 9, 2), sweep=three, convention="letters")) == [
        "refusal (small): 2 of 20 questions have a matching letter other than A and B. P divides by all letters of the run, so "
        "they count like the rest."]


def test_the_page_shows_the_sentences_above_the_headline_and_nothing_where_there_is_none(file_of, tmp_path):
    path = file_of(Sweep(questions=20))
    def page():
        assert cli.main(["report", str(path), "-o", str(tmp_path / "out"), "--resamples", "50"]) == 0
        return (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "Letters that move the numbers" not in page()
    with h5py.File(path, "r+") as file:
        file["models/small/runs/hedging/matching_letter"][...] = 1
    places = [page().index(words) for words in ("Letters that move the numbers", "hedging (small): B is the", "<h2>Headline")]
    assert places == sorted(places)
