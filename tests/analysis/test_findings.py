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
    assert pd.isna(tables.best(summary)["span"]).all() and tables.best_latex(summary).count("& -- & 95, ") == 2


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


def test_a_layer_that_goes_further_the_other_way_than_the_reported_one_is_told(file_of):
    path = file_of()
    with open_results(path) as results:
        summary = summarise(results)
    assert "further the other way" not in findings.headline(summary)
    best = summary.reported[0].best
    with h5py.File(path, "r+") as file:
        answers = file["models/small/runs/refusal/letter_logprob"]
        answers[:, best - 1] = 3 * answers[:, best][:, ::-1]  # the coefficients are symmetric
    with open_results(path) as results:
        summary = summarise(results)
    assert summary.reported[0].best == best
    assert "In 1 of the rows another layer moves P(matching) further the other way" in findings.headline(summary)


def test_questions_that_also_made_the_vector_are_said_to_be_no_test(file_of, tmp_path):
    path = file_of(Sweep(models={"small": 4, "large": 6}))
    with h5py.File(path, "r+") as file:
        for model, shared in (("small", 3), ("large", 12)):
            for i in range(shared):
                file[f"models/{model}/runs/refusal/text"][i] = f"question {i % 8} "[:-1]
    with open_results(path) as results:
        summary = summarise(results)
    assert [run.in_pairs for run in summary.runs] == [3, 0, 12, 0]
    assert findings.cautions(summary)[0].startswith("refusal: 3 of 12 questions also stand in the pairs that the vector refusal")
    assert not findings.cautions(summarise(open_results(file_of(name="clean.h5"))))
    assert cli.main(["report", str(path), "-o", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "Tested on the data that made the vector" in page and "all 12 questions also stand" in page


def test_too_few_questions_are_never_more_than_chance(file_of, tmp_path):
    assert cli.main(["report", str(file_of(Sweep(questions=4))), "-o", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "Fewer than 10 different questions a row: too few for an interval" in page and "more than chance" not in page
    assert page.count("too few questions for an interval</span>") == 2 and "[nan" not in page
    cells, best = (pd.read_csv(tmp_path / f"out/tables/{name}.csv") for name in ("cells", "best"))
    assert cells["effect_ci_low"].isna().all() and cells["effect"].notna().all() and best["span_ci_high"].isna().all()
    assert "nan" not in (tmp_path / "out/tables/best.tex").read_text()


def test_rows_with_too_few_questions_are_counted_apart(summary_of):
    sweep = Sweep()
    sweep.state = {unit: 0 for unit in sweep.unit_numbers(EVALUATE, 0, 0)[1:]}
    text = findings.headline(summary_of(sweep))
    assert "of 1 rows" in text and "1 more row has too few questions for an interval." in text


def test_little_letter_mass_stands_beside_p_in_the_page_and_in_the_paper_s_table(file_of, tmp_path):
    path = file_of()
    with h5py.File(path, "r+") as file:
        logprob = file["models/small/runs/refusal/letter_logprob"]
        logprob[:, :, 3] = logprob[:, :, 3] - 5
    assert cli.main(["report", str(path), "-o", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")  # one model: no table of sizes
    assert page.count('<span class="low">mass ') == 1 and page.count('<span class="muted">mass ') == 5
    assert "of 1 rows" in page and "In 1 more row the letter mass at +c or −c is under 50 %" in page
    with h5py.File(path, "r+") as file:
        for run in file["models/small/runs"].values():
            run["letter_logprob"][:, :, 3] = run["letter_logprob"][:, :, 3] - 5
    with open_results(path) as results:
        summary = summarise(results)
    assert findings.headline(summary).startswith("In all 2 rows with both signs the letter mass")
    assert findings.balance(summary) is None
    best = pd.read_csv(tmp_path / "out/tables/best.csv").iloc[0]
    masses = ", ".join(f"{100 * best[name]:.0f}" for name in ("baseline_mass", "mass_minus", "mass_plus"))
    assert f"& {masses} \\\\" in (tmp_path / "out/tables/best.tex").read_text()


def test_the_page_says_in_place_of_a_difference_which_sign_was_run(file_of, tmp_path):
    assert cli.main(["report", str(file_of(Sweep(coefficients=(0.0, 1.0)))), "-o", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count("<td>only +c was run</td>") == 2 and "more than chance" not in page
