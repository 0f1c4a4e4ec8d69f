"""`--coefficient C`: the c at which effects and layers are reported, where a run has it."""

import h5py
import numpy as np
import pandas as pd
import pytest

from made_up import Sweep
from steergrid_analysis import cli, comparison, findings, metrics, open_results, summarise
from steergrid_analysis.selection import NoSuchCoefficient


def without(path, *runs):
    """The file, after its answers at -2 and 2 were taken from these runs."""
    with h5py.File(path, "r+") as file:
        for run in runs:
            file[f"models/{run}/letter_logprob"][:, :, ::4] = np.nan
    return path


def summary(path, coefficient):
    with open_results(path) as results:
        return summarise(results, coefficient=coefficient)


@pytest.mark.parametrize("coefficients, wanted, expected", [
    ([-2, -1, 1, 2], 2, 2.0), ([-2, -1, 1, 2], 3, 1.0), ([-1, 1, 2], 2, 2.0), ([-2, -1, 1], 2, 2.0), ([-0.1, 0.1], 0.1, 0.1),
    ([0], 2, None), ([-1, 1], 0, 1.0)])
def test_the_coefficient_asked_for_is_taken_where_the_list_has_it_with_any_sign(coefficients, wanted, expected):
    assert metrics.reference_coefficient(np.array(coefficients, dtype=float), wanted) == expected


def test_effects_and_layers_are_those_of_the_coefficient_asked_for(file_of):
    usual, asked = summary(file_of(), None), summary(file_of(), 2.0)
    for one, two in zip(usual.runs, asked.runs):
        assert (one.reference, two.reference) == (1.0, 2.0)
        cells = two.cells
        apart = cells["effect"].sel(coefficient=2.0) - cells["effect"].sel(coefficient=-2.0)
        np.testing.assert_allclose(two.layers["span"], apart)
        assert two.best == metrics.best_layer(apart.values)
        assert cells.identical(one.cells)
    assert findings.asked(usual) is None
    assert findings.asked(asked) == "Effects and layers are reported at c = 2, as asked for."


def test_a_run_without_an_answer_there_keeps_its_own_and_the_report_says_so(file_of, tmp_path):
    path = without(file_of(Sweep(models={"small": 4, "large": 6})), "large/runs/hedging")
    runs = summary(path, 2.0).runs
    assert [run.reference for run in runs] == [2.0, 2.0, 2.0, 1.0]
    assert cli.main(["report", str(path), "-o", str(tmp_path / "out"), "--coefficient", "2"]) == 0
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "reported at c = 2, as asked for, but for runs without an answer there: hedging at c = 1 × v′ (large)." in page
    assert pd.read_csv(tmp_path / "out/tables/best.csv")["coefficient"].tolist() == [2, 2, 2, 1]


def test_models_are_compared_at_the_coefficient_asked_for_if_two_sizes_have_it(file_of):
    three = Sweep(models={"small": 4, "middle": 5, "large": 6}, behaviors=("refusal",))
    asked = summary(without(file_of(three), "middle/runs/refusal"), 2.0)
    compared = comparison.across_sizes(asked)["refusal"]
    assert [(point.model, point.coefficient) for point in compared] == [("small", 2.0), ("large", 2.0)]
    assert comparison.left_out(asked) == ["refusal is compared at c = 2 × v′, which leaves out middle (c = 1 × v′)."]
    asked = summary(without(file_of(three), "middle/runs/refusal", "large/runs/refusal"), 2.0)
    assert {point.coefficient for point in comparison.across_sizes(asked)["refusal"]} == {1.0}


def test_a_coefficient_that_runs_list_but_have_not_answered_yet_is_no_error(file_of):
    path = without(file_of(), "small/runs/refusal", "small/runs/hedging")
    assert [run.reference for run in summary(path, 2.0).runs] == [1.0, 1.0]


def test_a_validation_run_without_it_chooses_no_layer_and_the_report_says_why(file_of):
    path = without(file_of(Sweep(validation=("refusal",), questions=20)), "small/runs/refusal.validation")
    found = summary(path, 2.0)
    assert found.runs[0].reference == 2.0 and found.runs[0].chosen_on is None
    assert any("refusal.validation differs in reference" in gap for gap in findings.gaps(found))


@pytest.mark.parametrize("command", ["report", "tables"])
def test_a_coefficient_that_no_run_has_is_one_line_that_names_those_there_are(file_of, tmp_path, capsys, command):
    assert cli.main([command, str(file_of()), "-o", str(tmp_path / "out"), "--coefficient", "3"]) == 2
    assert capsys.readouterr().err == (f"steergrid {command}: error: expected a coefficient that a run has (1, 2), found 3, "
                                       "at --coefficient\n")
    assert not (tmp_path / "out").exists()
    with pytest.raises(NoSuchCoefficient, match="none, as nothing is steered"):
        summary(file_of(Sweep(coefficients=(0.0,))), 1.0)


@pytest.mark.parametrize("value", ["-2", "0", "nan", "inf", "much"])
def test_a_coefficient_is_a_number_above_0(file_of, capsys, value):
    with pytest.raises(SystemExit) as ended:
        cli.main(["report", str(file_of()), "--coefficient", value])
    assert ended.value.code == 2 and f"found {value}" in capsys.readouterr().err
