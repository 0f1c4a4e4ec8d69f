"""The tables: tidy CSV for further work, LaTeX for papers.

`cells` has one row a cell, `best` one row a run, `size` one row a run with what compares across models, `vectors` one row
a vector source and layer, `cosines_layers` and `cosines_behaviors` one row a pair of vectors. Numbers in CSV are full
precision fractions; LaTeX shows percent. Cells without a measured question have n = 0 and empty values. Text comes from
the file and is escaped for the format it goes into. Called by cli.py and page.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from .comparison import SizePoint, points
from .style import plain
from .summary import Estimate, RunSummary, SweepSummary

CELL_COLUMNS = ["model", "run", "behavior", "layer", "coefficient", "coefficient_unit", "n", "score", "ci_low", "ci_high",
                "effect", "effect_ci_low", "effect_ci_high", "mass", "mass_letters", "top_token", "top_token_share",
                "letter_on_top"]
_RENAMED = {"score_low": "ci_low", "score_high": "ci_high", "effect_low": "effect_ci_low", "effect_high": "effect_ci_high"}


def cells(sweep: SweepSummary) -> pd.DataFrame:
    """One tidy row a cell (model, run, layer, coefficient)."""
    frames = []
    for run in sweep.runs:
        frame = run.cells.to_dataframe().reset_index().rename(columns=_RENAMED)
        frame["model"], frame["run"], frame["behavior"] = run.model, run.name, _cell_text(run.behavior)
        frame["coefficient_unit"] = _cell_text(run.coefficient_unit)
        frames.append(frame[CELL_COLUMNS])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=CELL_COLUMNS)


def best(sweep: SweepSummary) -> pd.DataFrame:
    """One row a run: the unsteered score, the layer where +c lies furthest above -c and who chose it, the scores there,
    their difference (span; empty unless both signs were run), and how much further -c moves the score than +c (tilt)."""
    return pd.DataFrame([_best_row(run) for run in sweep.runs], columns=[
        "model", "run", "behavior", "questions", "questions_done", "questions_different", *_with_ends("baseline"),
        "baseline_mass", "coefficient", "coefficient_unit", "best_layer", "layer_chosen_on", *_with_ends("score_minus"),
        *_with_ends("score_plus"), "mass_minus", "mass_plus", *_with_ends("span"), *_with_ends("tilt")])


def _with_ends(name: str) -> list[str]:
    return [name, f"{name}_ci_low", f"{name}_ci_high"]


def _ends(name: str, estimate: Estimate | None) -> dict[str, float]:
    return {} if estimate is None else dict(zip(_with_ends(name), (estimate.value, estimate.low, estimate.high)))


def _best_row(run: RunSummary) -> dict:
    row = {"model": run.model, "run": run.name, "behavior": _cell_text(run.behavior), "questions": run.questions,
           "questions_done": run.questions_done, "questions_different": run.different,
           "baseline_mass": run.baseline_mass, "coefficient": run.reference,
           "coefficient_unit": _cell_text(run.coefficient_unit), "best_layer": run.best_layer,
           "layer_chosen_on": run.chosen_on or run.name}
    row.update(_ends("baseline", run.baseline))
    if run.best is not None:
        row.update(_ends("score_plus", run.at_best(run.reference, "score")))
        row.update(_ends("score_minus", run.at_best(-run.reference, "score")))
        row.update(mass_minus=run.mass_at_best(-run.reference), mass_plus=run.mass_at_best(run.reference))
        row.update(_ends("span", run.layer_at_best("span")))
        row.update(_ends("tilt", run.layer_at_best("tilt")))
    return row


def size(sweep: SweepSummary) -> pd.DataFrame:
    """One row a run: parameters, depths, effects of +c and -c at the best layer, plain and per added length."""
    effects = ("plus", "minus", "plus_per_dose", "minus_per_dose")
    rows = []
    for point in points(sweep):
        row = {"model": point.model, "run": point.run.name, "behavior": _cell_text(point.run.behavior),
               "dtype": _cell_text(point.dtype), "coefficient": point.coefficient,
               "coefficient_unit": _cell_text(point.run.coefficient_unit), "best_layer": point.run.best_layer}
        row.update({name: getattr(point, name) for name in _SIZE_NUMBERS})
        for name in effects:
            row.update(_ends(f"effect_{name}", getattr(point, name)))
        rows.append(row)
    return pd.DataFrame(rows, columns=["model", "run", "behavior", "dtype", "coefficient", "coefficient_unit", "best_layer", *_SIZE_NUMBERS,
                                       *(end for name in effects for end in _with_ends(f"effect_{name}"))])


_SIZE_NUMBERS = ("parameters", "depth", "dose", "peak_plus", "depth_plus", "peak_minus", "depth_minus",
                 "mass_plus", "mass_minus")


def vectors(sweep: SweepSummary) -> pd.DataFrame:
    """One row a vector source and layer: norms and their ratio to the residual's."""
    columns = ["model", "vectors", "behavior", "layer", "raw_norm", "norm", "residual_norm", "ratio"]
    frames = []
    for model in sweep.models:
        for source in model.vectors:
            frame = source.layers.to_dataframe().reset_index()
            frame["model"], frame["vectors"] = model.info.name, source.name
            frame["behavior"] = _cell_text(source.behavior)
            frames.append(frame[columns])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def cosines_layers(sweep: SweepSummary) -> pd.DataFrame:
    """One row a pair of layers of one model and vector source; each pair once."""
    frames = []
    for model in sweep.models:
        for source in model.vectors:
            layer = source.layers["layer"].values
            first, second = np.triu_indices(layer.size, 1)
            if source.done:
                frames.append(pd.DataFrame({"model": model.info.name, "vectors": source.name, "layer": layer[first],
                                            "other_layer": layer[second], "cosine": source.cosines[first, second]}))
    columns = ["model", "vectors", "layer", "other_layer", "cosine"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def cosines_behaviors(sweep: SweepSummary) -> pd.DataFrame:
    """One row a model, layer and pair of vector sources; each pair once."""
    rows = []
    for model in sweep.models:
        names = model.between["vectors"].values
        for i, j in zip(*np.triu_indices(names.size, 1)):
            rows.append(pd.DataFrame({"model": model.info.name, "layer": model.between["layer"].values, "vectors": names[i],
                                      "other": names[j], "cosine": model.between.values[:, i, j]}))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(
        columns=["model", "layer", "vectors", "other", "cosine"])


def best_latex(sweep: SweepSummary) -> str:
    """The `best` table in percent, for a paper (needs the package booktabs)."""
    rows = []
    for run in sweep.reported:
        if run.best is None:
            continue
        low = run.at_best(-run.reference, "score")
        high = run.at_best(run.reference, "score")
        rows.append([latex_text(run.model), latex_text(run.label), str(run.questions_done), _percent(run.baseline),
                     str(run.best_layer), _coefficient(run.reference, run.coefficient_unit), _percent(low), _percent(high),
                     _percent(run.layer_at_best("span")),
                     _masses(run.baseline_mass, run.mass_at_best(-run.reference), run.mass_at_best(run.reference))])
    header = ["Model", "Behavior", "$n$", "$s(0)$", "$L$", "$c$", "$s(-c)$", "$s(+c)$", "$s(+c)-s(-c)$", "Mass (\\%)"]
    caption = (f"Score {_formula(sweep.convention)} in percent with 95\\,\\% bootstrap intervals over {_drawn(sweep.reported)}, "
               f"at the layer $L$ where steering with $+c$ lies furthest above $-c$ ({_choosers(sweep.reported)}); "
               "Mass is the letter mass at $0$, $-c$, $+c$.")
    return _latex(header, rows, "llrrrrrrrr", caption)


def _drawn(runs: list[RunSummary]) -> str:
    """What the bootstrap draws: questions, or those that differ by more than the order of their choices."""
    return "different questions" if any(run.different < run.questions_done for run in runs) else "questions"


def _choosers(runs: list[RunSummary]) -> str:
    held_out = [run.chosen_on is not None for run in runs if run.best is not None]
    if held_out and all(held_out):
        return "chosen on validation questions"
    return "chosen on validation questions where there were some, else on the same questions" if any(held_out) else \
        "chosen on the same questions"


def size_latex(sweep: SweepSummary) -> str:
    """Effects against model size, plain and per added length; empty table body where no run has a best layer."""
    rows = [[latex_text(p.run.label), latex_text(p.model), f"{p.parameters:,}".replace(",", "\\,"), str(p.run.best_layer),
             f"{p.depth:.2f}", _coefficient(p.coefficient, p.run.coefficient_unit), _percent(p.plus), _percent(p.minus),
             _masses(p.mass_minus, p.mass_plus), "--" if not np.isfinite(p.dose) else f"{100 * p.dose:.1f}",
             _percent(p.plus_per_dose, False), _percent(p.minus_per_dose, False)] for p in _by_size(sweep)]
    header = ["Behavior", "Model", "Parameters", "$L$", "$(L+1)/N$", "$c$", "$\\Delta(+c)$", "$\\Delta(-c)$",
              "Mass (\\%)", "Length (\\%)",
              "$\\Delta(+c)$ per 10\\,\\%", "$\\Delta(-c)$ per 10\\,\\%"]
    caption = ("Effects in percentage points with 95\\,\\% bootstrap intervals at the best layer $L$ of $N$; Mass is the "
               "letter mass at $-c$, $+c$; Length is "
               "$c\\,\\|v'\\|/\\|h\\|$, and the last columns give the effect per 10\\,\\% of it.")
    return _latex(header, rows, "llrrrrrrrrrr", caption)


def _by_size(sweep: SweepSummary) -> list[SizePoint]:
    names = list(dict.fromkeys(point.run.name for point in points(sweep)))
    return sorted(points(sweep), key=lambda point: (names.index(point.run.name), point.parameters))


def scores_latex(sweep: SweepSummary) -> str:
    """Scores by coefficient at each run's best layer, one table a model (the layout of the CAA paper's table 3)."""
    parts = []
    for model in sweep.models:
        runs = [run for run in model.reported if run.best is not None]
        if not runs:
            continue
        axis = np.unique(np.concatenate([run.cells["coefficient"].values for run in runs]))
        rows = [[latex_text(run.label), str(run.best_layer)] + [_percent(run.at_best(c, "score"), False) for c in axis]
                for run in runs]
        header = ["Behavior", "$L$"] + [f"${c:g}$" for c in axis]
        caption = f"{latex_text(model.info.name)}: score {_formula(sweep.convention)} in percent by coefficient at layer $L$."
        parts.append(_latex(header, rows, "lr" + "r" * axis.size, caption))
    return "\n".join(parts)


def _formula(convention: str) -> str:
    return {"caa": "$p_\\mathrm{match}/(p_A+p_B)$", "letters": "$p_\\mathrm{match}/\\sum p_\\mathrm{letter}$"}[convention]


def _coefficient(value: float, unit: str) -> str:
    """c in LaTeX, with the residual's length where it multiplies that."""
    return f"${value:g}\\,\\|h\\|$" if unit == "residual_norm" else f"{value:g}"


def _masses(*values: float) -> str:
    return ", ".join("--" if not np.isfinite(value) else f"{100 * value:.0f}" for value in values)


def _percent(estimate: Estimate | None, interval: bool = True) -> str:
    if estimate is None or not np.isfinite(estimate.value):
        return "--"
    text = f"{100 * estimate.value:.1f}"
    return f"${text}$" if not interval or not estimate.has_interval else f"${text}\\;[{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]$"


def _latex(header: list[str], rows: list[list[str]], columns: str, caption: str) -> str:
    body = "\n".join(" & ".join(row) + r" \\" for row in rows)
    return (f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n"
            f"{' & '.join(header)} \\\\\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n")


_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"}


def latex_text(text: str) -> str:
    """Untrusted text as LaTeX text."""
    return "".join(_LATEX.get(c, c) for c in plain(text, 80))


def _cell_text(text: str) -> str:
    """Untrusted text as a CSV field that no spreadsheet takes for a formula."""
    line = plain(text, 200)
    return "'" + line if line[:1] in ("=", "+", "-", "@") else line


def write_all(sweep: SweepSummary, folder: Path) -> list[Path]:
    """Writes every table under `folder`; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    frames = {"cells": cells(sweep), "best": best(sweep), "size": size(sweep), "vectors": vectors(sweep),
              "cosines_layers": cosines_layers(sweep), "cosines_behaviors": cosines_behaviors(sweep)}
    for name, frame in frames.items():
        paths.append(folder / f"{name}.csv")
        frame.to_csv(paths[-1], index=False, lineterminator="\n")
    for name, text in (("best", best_latex(sweep)), ("scores", scores_latex(sweep)), ("size", size_latex(sweep))):
        paths.append(folder / f"{name}.tex")
        paths[-1].write_text(text, encoding="utf-8")
    return paths
