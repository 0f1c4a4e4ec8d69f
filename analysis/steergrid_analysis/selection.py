"""Which questions choose the layer that a run reports, and whether any run has the coefficient that a user asks for.

By convention a run named `X.validation` chooses the layer for run `X` of the same model: same vectors, positions and
coefficients, other questions. The effect of X is then reported at a layer that its own questions had no say in. Without
such a run X chooses for itself, and its effect at that layer is optimistic; the page says which of the two it is.
Called by summary.py.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from . import metrics

if TYPE_CHECKING:
    from .results import ResultFile
    from .summary import RunSummary

SUFFIX = ".validation"


class NoSuchCoefficient(ValueError):
    """No run has the coefficient that was asked for; the message is one line and names those that there are."""


def check_coefficient(results: ResultFile, wanted: float) -> None:
    """Throws NoSuchCoefficient where no run of the file lists `wanted` or its negative, answered or not."""
    listed = [results.coefficients(model, run) for model in results.models() for run in results.runs_of(model)]
    sizes = np.unique(np.abs(np.concatenate([np.zeros(0), *listed])))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    if metrics.coefficient_index(sizes, wanted) is None:
        there = ", ".join(f"{size:.12g}" for size in sizes) or "none, as nothing is steered"
        raise NoSuchCoefficient(f"expected a coefficient that a run has ({there}), found {wanted:.12g}, at --coefficient")


def chooses_for(name: str, names: list[str]) -> str | None:
    """The run whose layer the run `name` chooses; None for a run that reports an effect."""
    target = name.removesuffix(SUFFIX)
    return target if target != name and target in names else None


def choose_layers(runs: list[RunSummary]) -> list[RunSummary]:
    """The runs of one model, each with the layer that its validation run chose where there is a fitting one."""
    by_name = {run.name: run for run in runs}
    names = list(by_name)
    chosen = []
    for run in runs:
        target = chooses_for(run.name, names)
        if target is not None:
            run = dataclasses.replace(run, chooses_for=target)
        elif run.name + SUFFIX in by_name:
            run = _chosen_by(run, by_name[run.name + SUFFIX])
        chosen.append(run)
    return chosen


def _chosen_by(run: RunSummary, validation: RunSummary) -> RunSummary:
    """`run` at the layer that `validation` finds best, or unchanged with a note that says why not."""
    if not run.measured:
        return run
    for what in ("vectors", "positions", "coefficient_unit", "reference", "signs"):
        if getattr(run, what) != getattr(validation, what):
            return dataclasses.replace(run, note=f"{validation.name} differs in {what.replace('_', ' ')} and chooses no layer.")
    best = metrics.best_layer(validation.layers["push"].reindex(layer=run.layers["layer"].values).values)
    if best is None:
        return dataclasses.replace(run, note=f"{validation.name} has no finished answer at these layers and chooses none yet.")
    shared = len(run.texts & validation.texts)
    note = f"{shared} question{' is' if shared == 1 else 's are'} also in {validation.name}: not held out." if shared else None
    return dataclasses.replace(run, best=best, chosen_on=validation.name, note=note)
