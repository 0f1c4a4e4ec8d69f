"""Figures of one model's runs: effect heatmap, P(matching) by coefficient, layer sweep, negative against positive.

Each function takes a summary and gives a matplotlib Figure, 4.8 inches wide; the sentence that says how to read it
stands beside it. No global matplotlib state is touched. Called by figures.py.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from . import style
from .metrics import LEAST, LOW_MASS, coefficient_index
from .style import MINUS, MUTED, PLUS, WIDTH, number, plain, styled
from .summary import ModelSummary, RunSummary, SweepSummary

LOW_MASS_CELL = {"facecolor": (1, 1, 1, 0.45), "hatch": "xxxx", "edgecolor": (0.12, 0.14, 0.19, 0.55), "linewidth": 0}
BANDS = 3  # more behaviors than this in one figure: no bands, they would hide each other

HEATMAP_CAPTION = (
    "How to read it: each cell is one layer (upwards) steered with one coefficient (to the right); blue cells answer with "
    "the behavior more often than the unsteered model, orange ones less often, white ones are unchanged. Colours mean "
    "the same in every effect heatmap of this report. Cells hatched in black (on a screen: ×) have a letter mass under 50 %: "
    "the model hardly answers with a letter there, so their colour says little. A dot marks any other cell whose 95 % "
    "interval leaves out 0 (by "
    f"chance alone about 1 cell in 20 gets one; fewer than {LEAST} different questions get none); grey cells are not measured.")
BALANCE_CAPTION = (
    "How to read it: left, the effect of +c (blue) and −c (orange) at each behavior's best layer, with 95 % intervals; grey "
    "bars are the room there is: how far the unsteered P(matching) lies from 100 % and from 0. Right, how much further −c "
    "moves it than +c, |effect of −c| − |effect of +c|, paired by question: right of the line negative steering is stronger; "
    "filled marks have an interval that leaves out 0. Hollow marks on the left: letter mass under 50 %. Where the room differs much, so may the effects for that reason alone.")


def sweep_caption(runs: list[RunSummary]) -> str:
    steered = [run for run in runs if run.reference is not None]
    plus, minus = _sign_labels(steered)
    unit = " Runs of different coefficients or units say theirs in the legend." if plus == "+c" else ""
    signs = " and ".join(f"{label} ({colour})" for sign, label, colour in ((1, plus, "blue"), (-1, minus, "orange"))
                         if any(sign in run.signs for run in steered))
    return (f"How to read it: for every layer, how much steering there with {signs} moves "
            "P(matching) away from the unsteered model; a vector that steers both ways is blue above and orange below "
            f"zero. Hollow marks: letter mass under 50 %.{unit}" + (f" With fewer than {LEAST} different questions there are no intervals." if any(run.different < LEAST for run in runs)
                       else " Bands (in print and in the figure files) are 95 % intervals over questions."
                       if len(runs) <= BANDS else ""))


def coefficients_caption(run: RunSummary) -> str:
    chosen = ("The layer was chosen on these same questions, so the effect shown is optimistic." if run.chosen_on is None
              else "The layer was chosen on validation questions, not on these.")
    where = ("+c lies furthest above −c" if len(run.signs) == 2 else "steering moves P(matching) furthest its own way")
    return (f"How to read it: at layer {run.best_layer}, where {where}, P(matching) should rise from "
            "left to right; the band is the 95 % interval over questions, the dashed line the unsteered model. Below, the "
            "probability that the model answers with a letter at all: where it is low, the score above says little. "
            + chosen)


def effect_limit(sweep: SweepSummary) -> float:
    """The common end of all effect colour bars, in percentage points; at least 1."""
    values = [np.nanmax(np.abs(run.cells["effect"].values)) for run in sweep.runs if run.measured]
    return style.round_up(max([100 * value for value in values if np.isfinite(value)] + [1.0]))


@styled
def effect_heatmap(run: RunSummary, limit: float) -> Figure:
    """Effect in percentage points, layer upwards, coefficient to the right."""
    cells = run.cells.sortby("layer").sortby("coefficient")
    effect = 100 * cells["effect"].values
    layers, coefficients = cells["layer"].values, cells["coefficient"].values
    figure = Figure(figsize=(WIDTH, float(np.clip(1.4 + 0.2 * layers.size, 2.6, 5.4))))
    axes = figure.subplots()
    axes.set_facecolor("#f3f4f6")
    axes.patch.set(hatch="////", edgecolor="#c4c9d1", linewidth=0)
    shown = np.ma.masked_invalid(effect)
    edges = [np.arange(axis.size + 1) - 0.5 for axis in (coefficients, layers)]  # from centres alone, one cell has no size
    mesh = axes.pcolormesh(*edges, shown, cmap=style.EFFECT_MAP, vmin=-limit, vmax=limit, edgecolors="white",
                           linewidth=0.5 if layers.size <= 40 else 0.0)
    low_mass = cells["mass"].values < LOW_MASS
    rows, columns = np.nonzero(((cells["effect_low"].values > 0) | (cells["effect_high"].values < 0)) & ~low_mass)
    size = float(np.clip(160 / max(layers.size, 1), 1.5, 10))
    strong = np.abs(effect[rows, columns]) > 0.5 * limit
    axes.scatter(columns, rows, s=size, c=np.where(strong, "white", style.INK), linewidths=0, marker="o")
    for row, column in np.argwhere(low_mass):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **LOW_MASS_CELL))
    _heatmap_keys(figure, rows.size > 0, low_mass.any(), not np.isfinite(effect).all())
    ticks = style.spread_ticks(coefficients.size, 13)
    axes.set_xticks(ticks, [number(coefficients[tick]) for tick in ticks])
    ticks = style.spread_ticks(layers.size)
    axes.set_yticks(ticks, [str(layers[tick]) for tick in ticks])
    axes.grid(False)
    axes.set_xlabel(style.coefficient_label(run.coefficient_unit))
    axes.set_ylabel("Layer (after block)")
    axes.set_title(f"{plain(run.label)} · {plain(run.model, 30)}")
    figure.colorbar(mesh, ax=axes, pad=0.02, label="Effect on P(matching)\n(percentage points)")
    return figure


def _heatmap_keys(figure: Figure, dots: bool, low_mass: bool, gaps: bool) -> None:
    """A legend of the marks that a heatmap has."""
    keys = [Line2D([], [], color=style.INK, marker="o", markersize=3, linestyle="", label="interval leaves out 0")] if dots else []
    if low_mass:
        keys.append(Rectangle((0, 0), 1, 1, label="letter mass under 50 %", **LOW_MASS_CELL))
    if gaps:
        keys.append(Rectangle((0, 0), 1, 1, facecolor="#f3f4f6", hatch="////", edgecolor="#c4c9d1", linewidth=0,
                              label="not measured"))
    if keys:
        figure.set_figheight(figure.get_figheight() + 0.25)
        figure.legend(handles=keys, loc="outside lower center", ncols=3, fontsize=7.5, columnspacing=1.2, handletextpad=0.5)


@styled
def by_coefficient(run: RunSummary) -> Figure:
    """P(matching) at the best layer, and the mass on the answer letters, by coefficient."""
    cells = run.cells.isel(layer=run.best).sortby("coefficient")
    x = cells["coefficient"].values
    figure = Figure(figsize=(WIDTH, 4.0))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.25])
    style.band(above, x, 100 * cells["score_low"].values, 100 * cells["score_high"].values, PLUS, 0.2, "95 % interval")
    above.plot(x, 100 * cells["score"], color=PLUS, marker="o", label=f"steered at layer {run.best_layer}")
    above.axhline(100 * run.baseline.value, color=MUTED, linestyle="--", linewidth=1, label="unsteered")
    above.set_ylim(-3, 103)
    above.set_ylabel("P(matching) (%)")
    above.set_title(f"{plain(run.label)} · {plain(run.model, 30)}")
    above.legend(loc="upper left", bbox_to_anchor=(-0.03, -0.02), ncols=3, borderaxespad=0.2, handlelength=1.4,
                 columnspacing=1.2)
    below.plot(x, 100 * cells["mass"], color=style.INK, marker="s", markersize=3)
    below.axhline(100 * run.baseline_mass, color=MUTED, linestyle="--", linewidth=1)
    below.set_ylim(-5, 105)
    below.set_yticks([0, 50, 100])
    below.set_ylabel("p(A) + p(B)\n(%)" if run.convention == "caa" else "p(letters)\n(%)")
    below.set_xlabel(style.coefficient_label(run.coefficient_unit))
    ticks = style.apart(x)
    below.set_xticks(ticks, [number(value) for value in ticks])
    return figure


@styled
def layer_sweep(model: ModelSummary) -> Figure:
    """score(+c) - score(0) in blue and score(-c) - score(0) in orange by layer, one line a behavior.

    A behavior keeps its marker whatever else is missing, so the figures of several models compare."""
    runs = {index: run for index, run in enumerate(model.reported) if run.measured and run.reference is not None}
    figure = Figure(figsize=(WIDTH, 3.3 + 0.18 * (len(runs) // 2 + 2)))
    axes = figure.subplots()
    axes.axhline(0, color=MUTED, linewidth=1)
    for index, run in runs.items():
        for sign, colour in ((1, PLUS), (-1, MINUS)):
            _sweep_line(axes, run, sign, colour, index, band=len(runs) <= BANDS)
    axes.set_xlabel("Layer (after block)")
    axes.set_ylabel("Change of P(matching)\n(percentage points)")
    style.layer_axis(axes)
    axes.set_title(plain(model.info.name))
    labels = _sign_labels(list(runs.values()))
    keys = [axes.plot([], [], color=colour, linewidth=4, label=f"coefficient {text}")[0]
            for sign, colour, text in zip((1, -1), (PLUS, MINUS), labels) if any(sign in run.signs for run in runs.values())]
    keys += [axes.plot([], [], label=_sweep_label(run, labels[0] == "+c"), **{**style.series(i), "color": style.INK})[0]
             for i, run in runs.items()]
    if any(line.get_markerfacecolor() == "white" for line in axes.lines):
        keys.append(style.low_mass_key(axes))
    figure.legend(handles=style.row_wise(keys), loc="outside lower center", ncols=2, handlelength=2.6)
    return figure


def _sweep_line(axes, run: RunSummary, sign: int, colour: str, index: int, band: bool) -> None:
    """One behavior's line of the layer sweep; nothing where its coefficient was not run."""
    column = coefficient_index(run.cells["coefficient"].values, sign * run.reference)
    if column is None or sign not in run.signs:
        return
    cells = run.cells.isel(coefficient=column).sortby("layer")
    if band:
        style.band(axes, cells["layer"].values, 100 * cells["effect_low"].values, 100 * cells["effect_high"].values, colour, 0.13)
    look = {**style.series(index), "color": colour}
    axes.plot(cells["layer"], 100 * cells["effect"], markevery=style.marker_step(cells.sizes["layer"], index), alpha=0.9, **look)
    style.hollow(axes, cells["layer"].values, 100 * cells["effect"].values, cells["mass"].values, look)


def _sign_labels(runs: list[RunSummary]) -> tuple[str, str]:
    """What +c and -c are in a figure of these runs: numbers with their unit where all share them."""
    shared = {(run.reference, run.coefficient_unit) for run in runs}
    if len(shared) > 1:
        return "+c", "−c"
    c, unit = next(iter(shared))
    return style.coefficient(c, unit, "+"), style.coefficient(-c, unit)


def _sweep_label(run: RunSummary, with_c: bool) -> str:
    return plain(run.label, 24) + (f" ({style.coefficient(run.reference, run.coefficient_unit, '±')})" if with_c else "")


def has_balance(model: ModelSummary) -> bool:
    return any(run.layer_at_best("tilt") is not None for run in model.reported)


@styled
def balance(model: ModelSummary) -> Figure:
    """Effects of +c and -c at the best layer beside the room they have, and the paired difference of their sizes."""
    runs = [run for run in model.reported if run.layer_at_best("tilt") is not None][::-1]
    figure = Figure(figsize=(WIDTH, 1.6 + 0.42 * len(runs)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.3, 1])
    for row, run in enumerate(runs):
        base = 100 * run.baseline.value
        left.barh([row, row], [100 - base, -base], height=0.62, color=style.GRID, linewidth=0)
        for sign, colour, marker, shift in ((1, PLUS, "o", 0.13), (-1, MINUS, "s", -0.13)):
            c = sign * run.reference
            style.whisker(left, run.at_best(c, "effect"), row + shift, colour, marker, filled=not run.low_mass(c))
        tilt = run.layer_at_best("tilt")
        style.whisker(right, tilt, row, style.INK, "D", filled=tilt.low > 0 or tilt.high < 0)
    for axes in (left, right):
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    left.set_yticks(range(len(runs)), [_balance_label(run) for run in runs], fontsize=8 if len(runs) < 6 else 7.5)
    left.set_ylim(-0.6, len(runs) - 0.4)
    left.set_ylabel("Behavior")
    left.set_xlabel("Effect on P(matching)\n(points)")
    right.set_xlabel("−c moves further\nby (points)")
    figure.suptitle(f"{plain(model.info.name, 30)}: −c (orange) against +c (blue)", x=0.01, ha="left", fontsize=9.5,
                    fontweight="bold")
    return figure


def _balance_label(run: RunSummary) -> str:
    c = style.coefficient(run.reference, run.coefficient_unit)
    return f"{plain(run.label, 22)}\nc = {c}, layer {run.best_layer}"
