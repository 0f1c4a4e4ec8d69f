"""What the report says in words, and what it keeps from saying."""

import h5py
import numpy as np
import pandas as pd
import pytest

from made_up import EVALUATE, Sweep
from steergrid_analysis import cli, findings, open_results, summarise, tables


@pytest.mark.parametrize("coefficients, sign, words", [((0.5, 1.0, 2.0), 1, "only +c was run"), ((-1.0, 0.0), -1, "only −c was run")])
def test_a_row_with_one_sign_has_no_difference_and_is_not_counted(summary_of, coefficients, sign, words):
    summary = summary_of(Sweep(coefficients=coefficients))
    run = summary.reported[0]
    assert run.layer_at_best("span") is None and findings.one_sign(run) == words
    assert findings.headline(summary).startswith("No row has answers at both +c and −c")
    effect = sign * run.cells["effect"].sel(coefficient=sign)
    assert run.best == int(effect.values.argmax()) and summary.models[0].best_layer is not None
    assert pd.isna(tables.best(summary)["span"]).all() and tables.best_latex(summary).count("-- \\\\\n") == 2


def test_a_sign_without_a_finite_answer_counts_as_not_run_and_another_c_is_preferred(file_of):
    path = file_of()
    with h5py.File(path, "r+") as file:
        file["models/small/runs/refusal/letter_logprob"][:, :, 1] = np.nan  # -1: +-2 are there
        file["models/small/runs/hedging/letter_logprob"][:, :, :2] = np.nan  # -2 and -1
    with open_results(path) as results:
        summary = summarise(results)
    refusal, hedging = summary.reported
    assert refusal.reference == 2.0 and refusal.signs == (1, -1) and findings.one_sign(refusal) is None
    assert hedging.reference == 1.0 and hedging.signs == (1,) and findings.one_sign(hedging) == "only +c was run"
    assert "of 1 rows" in findings.headline(summary) and "1 more row has answers at one sign only" in findings.headline(summary)


def test_too_few_questions_are_never_more_than_chance(file_of, tmp_path):
    assert cli.main(["report", str(file_of(Sweep(questions=4))), "-o", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "Too few questions for an interval (fewer than 10 a row)" in page and "more than chance" not in page
    assert page.count("too few questions for an interval</span>") == 2 and "[nan" not in page
    cells, best = (pd.read_csv(tmp_path / f"out/tables/{name}.csv") for name in ("cells", "best"))
    assert cells["effect_ci_low"].isna().all() and cells["effect"].notna().all() and best["span_ci_high"].isna().all()
    assert "nan" not in (tmp_path / "out/tables/best.tex").read_text()


def test_rows_with_too_few_questions_are_counted_apart(summary_of):
    sweep = Sweep()
    sweep.state = {unit: 0 for unit in sweep.unit_numbers(EVALUATE, 0, 0)[1:]}
    text = findings.headline(summary_of(sweep))
    assert "of 1 rows" in text and "1 more row has too few questions for an interval." in text


def test_the_page_says_in_place_of_a_difference_which_sign_was_run(file_of, tmp_path):
    assert cli.main(["report", str(file_of(Sweep(coefficients=(0.0, 1.0)))), "-o", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count("<td>only +c was run</td>") == 2 and "more than chance" not in page
