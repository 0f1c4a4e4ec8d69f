"""Figures across models: effect and depth of the peak against size, effect against what was really added.

Every behavior has a panel or a marker of its own; blue is +c, orange −c, and models are told apart by colour, marker and
line. Drawn only where a sweep holds models of different size. Called by figures.py; the numbers are comparison.py's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from . import comparison, style
from .comparison import SizePoint
from .metrics import LOW_MASS
from .style import MINUS, MUTED, PLUS, WIDTH, plain, styled
from .summary import SweepSummary

SIZE_CAPTION = (
    "How to read it: one panel a behavior, one column of marks a model, small models left; the effect of +c (blue circles) "
    "and −c (orange squares) at each model's best layer, with 95 % intervals, at one coefficient c that all models of a panel "
    "have. Hollow marks have a letter mass under 50 % and say little; models of one size stand side by side. Marks that come closer to zero from left to "
    "right mean that the same coefficient steers larger models less; the next figure asks whether it also adds less to them.")
PER_DOSE_CAPTION = (
    "How to read it: the same effects divided by the length of what was added, c·‖v′‖, relative to the residual's ‖h‖. "
    "If marks fell with size in the figure before but are level here, larger models were only steered with a relatively "
    "shorter vector. It assumes effects in proportion to the length; where they level off, compare the curves by added "
    "length in each behavior's section instead.")
DEPTH_CAPTION = (
    "How to read it: how deep in the model, (L + 1) / N, the best layer of each behavior lies; marks on one level mean that "
    "the best layer scales with the number of layers. Marks of one model stand a little apart so that none hides another.")
DOSE_CAPTION = (
    "How to read it: the effect at each model's best layer against the length of what was added, in percent of the residual "
    "stream's own length there; negative lengths are negative coefficients. Curves that lie on one another respond alike to "
    "the same relative push, whatever their coefficients; flat ends mean that more length brings nothing more. "
    "Hollow marks: the letter mass is under 50 %, so the effect there says little.")


@styled
def effect_by_size(sweep: SweepSummary) -> Figure:
    """Effects of +c and -c at the best layer against the number of parameters."""
    return _size_panels(comparison.across_sizes(sweep), lambda p: (p.plus, p.minus),
                        "Effect on P(matching)\n(percentage points)")


def has_doses(sweep: SweepSummary) -> bool:
    return any(np.isfinite(point.dose) for found in comparison.across_sizes(sweep).values() for point in found)


@styled
def effect_per_dose_by_size(sweep: SweepSummary) -> Figure:
    """The same effects for an addition of a tenth of the residual's length."""
    return _size_panels(comparison.across_sizes(sweep), lambda p: (p.plus_per_dose, p.minus_per_dose),
                        "Effect (points) per\n10 % of ‖h‖ added")


def _size_panels(by_run: dict[str, list[SizePoint]], pick: Callable[[SizePoint], tuple], label: str) -> Figure:
    """Small multiples, two columns, common axes."""
    columns, rows = min(2, len(by_run)), -(-len(by_run) // 2)
    figure = Figure(figsize=(WIDTH, 1.2 + 1.42 * rows + (0.6 if rows == 1 else 0)))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, points in zip(panels.flat, by_run.values()):
        axes.axhline(0, color=MUTED, linewidth=1)
        for which, (colour, marker) in enumerate(((PLUS, "o"), (MINUS, "s"))):
            known = [(x, pick(point)[which], (point.mass_plus, point.mass_minus)[which])
                     for x, point in zip(_beside(points), points) if pick(point)[which] is not None]
            if len({point.parameters for point in points}) == len(points):  # a line through equal sizes would zigzag
                axes.plot([x for x, *_ in known], [100 * estimate.value for _, estimate, _ in known], color=colour,
                          linewidth=0.9, alpha=0.6)
            for x, estimate, mass in known:
                style.whisker(axes, estimate, x * (1.02 if which else 0.98), colour, marker, filled=not mass < LOW_MASS,
                              upright=True)
        c = style.coefficient(points[0].coefficient, points[0].run.coefficient_unit)
        axes.set_title(f"{plain(points[0].run.label, 20)}, c = {c}", fontsize=8.5)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    for axes in panels.flat[len(by_run):]:
        axes.set_visible(False)
    for column in range(columns):
        last = panels[(len(by_run) - 1 - column) // 2, column]
        last.tick_params(labelbottom=True)
        last.set_xlabel("Parameters (log scale)")
    _size_axis(panels[0, 0], [point.parameters for points in by_run.values() for point in points], 1 / columns)
    figure.supylabel(label, fontsize=9)
    everything = [point for points in by_run.values() for point in points]
    keys = [panels[0, 0].plot([], [], color=colour, marker=marker, linestyle="", label=text)[0]
            for which, (colour, marker, text) in enumerate(((PLUS, "o", "steered with +c"), (MINUS, "s", "steered with −c")))
            if any(pick(point)[which] is not None for point in everything)]
    if any(mass < LOW_MASS for point in everything for mass in (point.mass_plus, point.mass_minus)):
        keys.append(style.low_mass_key(panels[0, 0]))
    keys += [panels[0, 0].plot([], [], linestyle="", label=text)[0] for text in _equal_sizes(everything)]
    figure.set_figheight(figure.get_figheight() + 0.18 * (len(keys) - 2))
    figure.legend(handles=keys, loc="outside lower center", ncols=2 if len(keys) == 2 else 1)
    return figure


def _beside(points: list[SizePoint]) -> list[float]:
    """Where points stand on the axis of sizes: those of one size a little apart, in the order of the file."""
    sizes = [point.parameters for point in points]
    step = (max(sizes) / min(sizes)) ** 0.05
    return [size * step ** (sizes[:i].count(size) - (sizes.count(size) - 1) / 2) for i, size in enumerate(sizes)]


def _equal_sizes(points: list[SizePoint]) -> list[str]:
    """Which models share a size, in the order of their marks."""
    models = {point.model: point for point in points}
    found = []
    for size in sorted({point.parameters for point in points}):
        names = [f"{plain(name, 24)} ({plain(point.dtype, 10)})" for name, point in models.items() if point.parameters == size]
        if len(names) > 1:
            found.append(f"at {style.size_label(size)}, from the left: {', '.join(names)}")
    return found


def _size_axis(axes, sizes: list[int], share: float = 1.0) -> None:
    """A log axis labelled at the models' own sizes, as far as labels fit."""
    axes.set_xscale("log")
    low, high = min(sizes), max(sizes)
    margin = (high / low) ** 0.12
    axes.set_xlim(low / margin, high * margin)
    logs = style.apart(np.log(np.unique(np.array(sizes, dtype=float))), 0.11 / share)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(np.exp(logs), [style.size_label(value) for value in np.exp(logs)])


@styled
def depth_by_size(sweep: SweepSummary) -> Figure:
    """Relative depth of the best layer against the number of parameters, one line a behavior."""
    by_run = comparison.across_sizes(sweep)
    figure = Figure(figsize=(WIDTH, 3.1 + 0.18 * (len(by_run) // 2 + 1)))
    axes = figure.subplots()
    sizes = [point.parameters for points in by_run.values() for point in points]
    step = (max(sizes) / min(sizes)) ** (0.1 / max(len(by_run), 1))
    for index, points in enumerate(by_run.values()):
        shift = step ** (index - (len(by_run) - 1) / 2)
        look = style.series(index)
        if len({point.parameters for point in points}) < len(points):
            look["linestyle"] = ""
        axes.plot([x * shift for x in _beside(points)], [100 * point.depth for point in points],
                  label=plain(points[0].run.label, 24), **look)
    _size_axis(axes, sizes)
    axes.set_ylim(0, 103)
    axes.set_xlabel("Parameters (log scale)")
    axes.set_ylabel("Depth of the best layer\n(L + 1) / N (%)")
    figure.legend(handles=style.row_wise(axes.get_lines()), loc="outside lower center", ncols=2, handlelength=2.6)
    return figure


def dose_lines(sweep: SweepSummary, run: str) -> list[tuple[int, str, np.ndarray, dict[str, np.ndarray]]]:
    """What each model's curve of one run holds: (number of the model, name, doses, effect with its ends and mass), by dose.

    All are of the unit that the comparison across sizes uses."""
    lines = []
    unit = next((points[0].run.coefficient_unit for name, points in comparison.across_sizes(sweep).items() if name == run), None)
    for index, model in enumerate(sweep.models):
        found = next((own for own in model.reported if own.name == run and own.best is not None
                      and own.coefficient_unit == unit), None)
        if found is None:
            continue
        dose = comparison.doses(model, found)
        order = np.argsort(dose)
        if np.isfinite(dose).all():
            cells = found.cells.isel(layer=found.best)
            lines.append((index, model.info.name, dose[order],
                          {name: cells[name].values[order] for name in ("effect", "effect_low", "effect_high", "mass")}))
    return lines


@styled
def effect_by_dose(sweep: SweepSummary, run: str) -> Figure:
    """Effect at the best layer against the added length, one line a model."""
    lines = dose_lines(sweep, run)
    figure = Figure(figsize=(WIDTH, 3.3 + 0.18 * (-(-len(lines) // 2))))
    axes = figure.subplots()
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.axvline(0, color=MUTED, linewidth=1)
    for index, name, dose, effect in lines:
        look = style.series(index)
        if len(lines) <= 4:
            style.band(axes, 100 * dose, 100 * effect["effect_low"], 100 * effect["effect_high"], look["color"], 0.15)
        axes.plot(100 * dose, 100 * effect["effect"], label=plain(name, 26), **look)
        style.hollow(axes, 100 * dose, 100 * effect["effect"], effect["mass"], look)
    axes.set_xlabel("Added length c·‖v′‖ / ‖h‖ (%)")
    axes.set_ylabel("Effect on P(matching)\n(percentage points)")
    axes.set_title(plain(_label_of(sweep, run)))
    handles = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    if any(line.get_markerfacecolor() == "white" for line in axes.get_lines()):
        handles.append(style.low_mass_key(axes))
    figure.legend(handles=style.row_wise(handles), loc="outside lower center", ncols=2, handlelength=2.6)
    return figure


def _label_of(sweep: SweepSummary, run: str) -> str:
    return next(own.label for own in sweep.runs if own.name == run)
