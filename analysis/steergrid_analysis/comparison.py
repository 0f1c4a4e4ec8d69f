"""Effects across models: against their size, at the depth of their peak, and per length of what was added.

Coefficients are not comparable between models, as a vector of length 1 is long beside one model's residual stream and
short beside another's. So every effect is also given against the dose |c| * ||v'|| / ||h||: the length of what was added
in units of the residual's mean length. Called by the figures, the tables and the page; reads a SweepSummary.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from . import metrics
from .summary import Estimate, ModelSummary, RunSummary, SweepSummary

DOSE_UNIT = 0.1  # effects per dose are given for an addition of 10 % of the residual's length


@dataclasses.dataclass(frozen=True)
class SizePoint:
    """One run of one model at its best layer; `depth` and the peaks' depths are (L + 1) / N.

    `plus` and `minus` are effects at +c and -c, `dose` is the length that c adds beside the residual's, `plus_per_dose`
    and `minus_per_dose` are the effects per DOSE_UNIT of it, if effects grew in proportion."""

    model: str
    parameters: int
    run: RunSummary
    depth: float
    dose: float
    plus: Estimate | None
    minus: Estimate | None
    plus_per_dose: Estimate | None
    minus_per_dose: Estimate | None
    peak_plus: int | None
    peak_minus: int | None
    depth_plus: float
    depth_minus: float


def points(sweep: SweepSummary) -> list[SizePoint]:
    """Every run with a best layer, in the order of the file."""
    return [_point(model, run) for model in sweep.models for run in model.reported if run.best is not None]


def across_sizes(sweep: SweepSummary) -> dict[str, list[SizePoint]]:
    """Runs that at least two models of different size share: name -> points by size."""
    by_run: dict[str, list[SizePoint]] = {}
    for point in points(sweep):
        if point.parameters > 0:
            by_run.setdefault(point.run.name, []).append(point)
    return {name: sorted(found, key=lambda point: point.parameters) for name, found in by_run.items()
            if len({point.parameters for point in found}) > 1}


def doses(model: ModelSummary, run: RunSummary) -> np.ndarray:
    """What each coefficient adds at the best layer, signed, in units of the residual's mean length; NaN if unknown."""
    coefficients = run.cells["coefficient"].values
    return coefficients * (_dose_of_one(model, run) if run.best is not None else np.nan)


def _dose_of_one(model: ModelSummary, run: RunSummary) -> float:
    """The length that a coefficient of 1 adds at the best layer, in units of the residual's."""
    if run.coefficient_unit == "residual_norm":
        return 1.0
    source = next((vectors for vectors in model.vectors if vectors.name == run.vectors and vectors.done), None)
    if source is None or run.coefficient_unit != "multiplier":
        return np.nan
    here = source.layers["layer"].values == run.best_layer
    return float(source.layers["ratio"].values[here][0]) if here.any() else np.nan


def _point(model: ModelSummary, run: RunSummary) -> SizePoint:
    count = max(model.info.n_layers, 1)
    dose = run.reference * _dose_of_one(model, run)
    plus, minus = run.at_best(run.reference, "effect"), run.at_best(-run.reference, "effect")
    peaks = {sign: _peak(run, sign) for sign in (1, -1)}
    depths = {sign: np.nan if peak is None else (peak + 1) / count for sign, peak in peaks.items()}
    return SizePoint(model.info.name, model.info.n_parameters, run, (run.best_layer + 1) / count, dose, plus, minus,
                     _per_dose(plus, dose), _per_dose(minus, dose), peaks[1], peaks[-1], depths[1], depths[-1])


def _peak(run: RunSummary, sign: int) -> int | None:
    """The layer where sign * c moves the score furthest in the direction of the sign."""
    column = metrics.coefficient_index(run.cells["coefficient"].values, sign * run.reference)
    if column is None:
        return None
    best = metrics.best_layer(sign * run.cells["effect"].values[:, column])
    return None if best is None else int(run.cells["layer"].values[best])


def _per_dose(effect: Estimate | None, dose: float) -> Estimate | None:
    if effect is None or not np.isfinite(dose) or dose <= 0:
        return None
    return Estimate(*(value / dose * DOSE_UNIT for value in (effect.value, effect.low, effect.high)))
