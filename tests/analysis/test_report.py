"""The figures, tables and page that the command writes."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import h5py
import made_up
import numpy as np
import pandas as pd
import pytest

from made_up import BLOCKED, EVALUATE, FAILED, Sweep
from steergrid_analysis import cli, tables

EVIL = "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>"


@pytest.fixture
def report_of(file_of, tmp_path):
    """Runs `report` on a sweep; returns the folder."""
    def report(sweep=None, *options):
        assert cli.main(["report", str(file_of(sweep)), "-o", str(tmp_path / "out"), *options]) == 0
        return tmp_path / "out"
    return report


@pytest.fixture(scope="module")
def usual_report(tmp_path_factory):
    """The folder of the usual sweep's report, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("usual")
    made_up.write(folder / "results.h5", None)
    assert cli.main(["report", str(folder / "results.h5"), "-o", str(folder / "out")]) == 0
    return folder / "out"


def test_figures_are_the_same_whether_drawn_at_once_or_one_by_one(report_of, monkeypatch):
    drawn = {}
    for cores in ({0}, {0, 1}):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _process, cores=cores: cores)
        folder = report_of() / "figures"
        drawn[len(cores)] = {path.name: path.read_bytes() for path in folder.iterdir()}
        for path in folder.iterdir():
            path.unlink()
    assert drawn[1] and drawn[1] == drawn[2]


class Elements(HTMLParser):
    """Every element's attributes, and the text outside scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.text, self._inside = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else self._inside

    def handle_endtag(self, tag):
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data):
        if not self._inside:
            self.text.append(data)


def page_of(folder) -> tuple[str, Elements]:
    text = (folder / "report.html").read_text(encoding="utf-8")
    return text, Elements(text)


def test_a_report_has_every_figure_as_png_and_pdf_every_table_and_one_page(report_of, capsys):
    out = report_of()
    stems = {path.stem for path in (out / "figures").iterdir()}
    assert stems == {"sweep--small", "norms--small", "balance--small", "cosines--small", "cosines--small--refusal",
                     "cosines--small--hedging", "heatmap--small--refusal", "heatmap--small--hedging",
                     "coefficients--small--refusal", "coefficients--small--hedging"}
    for stem in stems:
        assert (out / f"figures/{stem}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / f"figures/{stem}.pdf").read_bytes().startswith(b"%PDF")
    assert {path.name for path in (out / "tables").iterdir()} == {
        "cells.csv", "best.csv", "size.csv", "vectors.csv", "cosines_layers.csv", "cosines_behaviors.csv", "best.tex", "scores.tex",
        "size.tex"}
    assert "all units done" in capsys.readouterr().out


def test_the_page_loads_nothing_from_anywhere(usual_report):
    text, page = page_of(usual_report)
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            if attributes.get(name) is not None:
                assert attributes[name].startswith(("data:", "#")), (tag, name)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    policy = next(a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'") and "'unsafe-inline'" not in policy.split("style-src")[0]
    assert "url(" not in "".join(re.findall(r"<style>(.*?)</style>", text, re.S))


def test_every_figure_on_the_page_says_how_to_read_it(usual_report):
    text, page = page_of(usual_report)
    figures = sum(tag == "figure" for tag, _ in page.elements)
    assert figures == 10 == text.count("How to read it:")


def test_the_interactive_heatmaps_hold_the_numbers_of_the_table(usual_report):
    text, page = page_of(usual_report)
    data = json.loads(re.search(r'id="plots">(.*?)</script>', text, re.S).group(1))
    places = [attributes["data-plot"] for _, attributes in page.elements if "data-plot" in attributes]
    assert sorted(places) == sorted(data["plots"])
    assert [plot["kind"] for plot in data["plots"].values()] == ["lines", "cosines", "cosines", "cosines", "effect", "effect"]
    cells = pd.read_csv(usual_report / "tables/cells.csv").query("run == 'refusal'")
    effect = np.array(next(plot for plot in data["plots"].values() if plot["kind"] == "effect")["effect"])
    np.testing.assert_allclose(effect.ravel(), 100 * cells["effect"], atol=0.006)


def test_the_cell_table_is_tidy(usual_report):
    cells = pd.read_csv(usual_report / "tables/cells.csv")
    assert list(cells.columns) == tables.CELL_COLUMNS
    assert len(cells) == 2 * 6 * 5 and not cells.duplicated(["model", "run", "layer", "coefficient"]).any()
    assert (cells["n"] == 12).all() and cells["score"].between(0, 1).all() and cells["mass"].between(0, 1).all()
    assert (cells.query("coefficient == 0")["effect"] == 0).all()


def test_the_table_of_best_layers_holds_the_letter_mass_beside_every_score(usual_report):
    best = pd.read_csv(usual_report / "tables/best.csv").set_index("run")
    cells = pd.read_csv(usual_report / "tables/cells.csv").set_index(["run", "layer", "coefficient"])
    for run, row in best.iterrows():
        for sign, name in ((-1.0, "minus"), (1.0, "plus")):
            cell = cells.loc[run, row["best_layer"], sign]
            assert row[f"score_{name}"] == cell["score"] and row[f"mass_{name}"] == cell["mass"]


def test_the_same_file_gives_the_same_report_byte_for_byte(report_of, usual_report):
    def contents(out):
        return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    assert contents(report_of()) == contents(usual_report)


def test_a_partial_sweep_reports_what_it_has_and_says_what_is_missing(report_of, capsys):
    sweep = Sweep(flags={0: 8, 1: 8})
    failed, absent, _ = sweep.unit_numbers(EVALUATE, 0, 0)
    sweep.state = {failed: FAILED, absent: 0, **{unit: BLOCKED for unit in sweep.unit_numbers(EVALUATE, 0, 1)}}
    sweep.message = {failed: "the worker died three times"}
    out = report_of(sweep)
    words = " ".join("".join(page_of(out)[1].text).split())
    assert "7 of 12 units are done: 1 not run yet, 1 failed, 3 blocked by a failure." in words
    assert "7 of 12 units done, 2 of them copied from an earlier result file." in words
    assert "the worker died three times" in words and "small, refusal: 4 of 12 questions." in words
    assert "No steered answer to show" in words
    assert not (out / "figures/heatmap--small--hedging.png").exists()
    assert "7 of 12 units done" in capsys.readouterr().out


def test_a_sweep_that_never_ran_still_gives_a_page(report_of):
    words = "".join(page_of(report_of(Sweep(all_state=0)))[1].text)
    assert "0 of 12 units are done" in words


@pytest.mark.parametrize("coefficients", [(0.0,), (1.0,), (-3.0, -0.25), (0.0, 5.0, 2.0)])
def test_any_list_of_coefficients_can_be_drawn(report_of, coefficients):
    assert (report_of(Sweep(coefficients=coefficients)) / "figures/heatmap--small--refusal.pdf").exists()


def test_names_as_long_as_a_spec_allows_give_files_that_can_be_written(report_of):
    long = "m" * 127
    out = report_of(Sweep(models={long + "1": 2, long + "2": 3}, behaviors=("b" * 128,), questions=4))
    assert len(list((out / "figures").iterdir())) == 2 * 16


def test_a_launch_record_with_other_fields_is_shown_as_far_as_it_goes(file_of, tmp_path):
    path = file_of()
    with h5py.File(path, "r+") as file:
        del file["sched/launches"]
        file["sched/launches"] = np.array([(b"steergrid 9",)], dtype=[("binary", "S16")])
    assert cli.main(["report", str(path), "-o", str(tmp_path / "out")]) == 0
    assert "1 launch, last at a time not recorded" in "".join(page_of(tmp_path / "out")[1].text)


def test_the_page_says_first_that_a_models_weights_are_made_up(file_of, tmp_path):
    path = file_of()
    with h5py.File(path, "r+") as file:
        file["models/small"].attrs.update(path="random:llama-2-7b?seed=1", synthetic=1)
    assert cli.main(["report", str(path), "-o", str(tmp_path / "out")]) == 0
    text = "".join(page_of(tmp_path / "out")[1].text)
    assert text.count("are made up") == 1
    assert text.index("The weights of small are made up") < text.index("random:llama-2-7b?seed=1")


def test_text_from_the_file_is_never_markup(report_of, file_of, tmp_path):
    sweep = Sweep(name=EVIL, spec=EVIL + "</pre>", coefficient_unit=EVIL)
    unit = sweep.unit_numbers(EVALUATE, 0, 0)[0]
    sweep.state, sweep.message = {unit: FAILED}, {unit: EVIL}
    path = file_of(sweep)
    with h5py.File(path, "r+") as file:
        file["models/small/runs/refusal"].attrs["behavior"] = EVIL + " $\\frac{"
        file["models/small/vectors/refusal"].attrs["behavior"] = "=cmd()|$x_$"
        file["models/small"].attrs["dtype"] = EVIL
        file.attrs.update(created=EVIL, git_revision=EVIL, run_identity=json.dumps({EVIL: {EVIL: EVIL}}))
    assert cli.main(["report", str(path), "-o", str(tmp_path / "out")]) == 0
    text, page = page_of(tmp_path / "out")
    assert "<script>alert" not in text and "evil.example" not in str([a for _, a in page.elements])
    assert [tag for tag, _ in page.elements].count("script") == 3
    assert EVIL in "".join(page.text)
    data = re.search(r'id="plots">(.*?)</script>', text, re.S).group(1)
    assert "alert" not in data and "<" not in data
    assert "'=cmd()" in (tmp_path / "out/tables/vectors.csv").read_text()
    assert "\\frac" not in (tmp_path / "out/tables/best.tex").read_text()


def test_latex_specials_are_escaped():
    assert tables.latex_text("a_b & 50% {x} \\y") == r"a\_b \& 50\% \{x\} \textbackslash{}y"


def test_the_tables_command_writes_tables_only(file_of, tmp_path):
    assert cli.main(["tables", str(file_of()), "-o", str(tmp_path / "t")]) == 0
    assert {path.suffix for path in (tmp_path / "t").iterdir()} == {".csv", ".tex"}
    assert r"\toprule" in (tmp_path / "t/best.tex").read_text()


def test_the_module_runs_as_a_command_and_reports_bad_input_in_one_line(tmp_path):
    (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    done = subprocess.run([sys.executable, "-m", "steergrid_analysis", "report", str(tmp_path / "bad.h5")],
                          capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "MPLBACKEND": "Agg"})
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "expected" in done.stderr


def test_an_output_that_cannot_be_written_is_one_line_and_status_2(file_of, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert cli.main(["report", str(file_of()), "-o", str(tmp_path / "file" / "out")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
