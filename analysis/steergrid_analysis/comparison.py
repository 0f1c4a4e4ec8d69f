"""Effects across models: against their size, at the depth of their peak, and per length of what was added.

Coefficients are not comparable between models, as a vector of length 1 is long beside one model's residual stream and
short beside another's. So every effect is also given against the dose |c| * ||v'|| / ||h||: the length of what was added
in units of the residual's mean length. Called by the figures, the tables and the page; reads a SweepSummary.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from . import metrics, style
from .summary import Estimate, ModelSummary, RunSummary, SweepSummary

DOSE_UNIT = 0.1  # effects per dose are given for an addition of 10 % of the residual's length


@dataclasses.dataclass(frozen=True)
class SizePoint:
    """One run of one model at its best layer and one coefficient c; `depth` and the peaks' depths are (L + 1) / N.

    `plus` and `minus` are effects at +c and -c, `dose` is the length that c adds beside the residual's, `plus_per_dose`
    and `minus_per_dose` are the effects per DOSE_UNIT of it, if effects grew in proportion."""

    model: str
    parameters: int
    dtype: str
    run: RunSummary
    coefficient: float
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
    mass_plus: float
    mass_minus: float


def points(sweep: SweepSummary) -> list[SizePoint]:
    """Every run with a best layer, at its own c, in the order of the file."""
    return [_point(model, run, run.reference) for model, run in _steered(sweep)]


def across_sizes(sweep: SweepSummary) -> dict[str, list[SizePoint]]:
    """Runs that at least two models of different size share: name -> points by size, all at one c in one unit.

    Models without answers at the common c or with another unit are left out; `left_out` names them."""
    by_run: dict[str, list[tuple[ModelSummary, RunSummary]]] = {}
    for model, run in _steered(sweep):
        if model.info.n_parameters > 0:
            by_run.setdefault(run.name, []).append((model, run))
    found = {}
    for name, members in by_run.items():
        unit, c = max(sorted({(run.coefficient_unit, float(c)) for _, run in members
                              for c in np.abs(run.cells["coefficient"].values) if c > 0}),
                      key=lambda candidate: _worth(members, sweep.wanted, *candidate))
        among = [_point(model, run, c) for model, run in members if _measured(run, unit, c)]
        if len({point.parameters for point in among}) > 1:
            found[name] = sorted(among, key=lambda point: point.parameters)
    return found


def left_out(sweep: SweepSummary) -> list[str]:
    """For every compared run, the models that have it but not at the common c."""
    found = []
    for name, compared in across_sizes(sweep).items():
        there = {point.model for point in compared}
        missing = [run for _, run in _steered(sweep) if run.name == name and run.model not in there]
        if missing:
            common = style.coefficient(compared[0].coefficient, compared[0].run.coefficient_unit)
            own = ", ".join(f"{run.model} (c = {style.coefficient(run.reference, run.coefficient_unit)})" for run in missing)
            found.append(f"{compared[0].run.label} is compared at c = {common}, which leaves out {own}.")
    return found


def _steered(sweep: SweepSummary) -> list[tuple[ModelSummary, RunSummary]]:
    return [(model, run) for model in sweep.models for run in model.reported if run.best is not None]


def _worth(members: list[tuple[ModelSummary, RunSummary]], wanted: float | None, unit: str, c: float) -> tuple:
    """Rank of a common coefficient: it is the one that was asked for, if two sizes have it; it reaches most sizes, has most
    signs, is the c of most runs, is 1, is small."""
    having = [(model, run) for model, run in members if _measured(run, unit, c)]
    sizes = len({model.info.n_parameters for model, _ in having})
    asked = wanted is not None and metrics.coefficient_index(np.array([c]), wanted) is not None
    return (asked and sizes > 1, sizes, sum(_measured(run, unit, c) for _, run in having),
            sum(run.reference == c for _, run in having), c == 1.0, -c)


def _measured(run: RunSummary, unit: str, c: float) -> int:
    """How many of +c and -c have an effect at the best layer."""
    if run.coefficient_unit != unit:
        return 0
    effects = (run.at_best(sign * c, "effect") for sign in (1, -1))
    return sum(effect is not None and bool(np.isfinite(effect.value)) for effect in effects)


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


def _point(model: ModelSummary, run: RunSummary, c: float) -> SizePoint:
    count = max(model.info.n_layers, 1)
    dose = c * _dose_of_one(model, run)
    plus, minus = run.at_best(c, "effect"), run.at_best(-c, "effect")
    peaks = {sign: _peak(run, sign, c) for sign in (1, -1)}
    depths = {sign: np.nan if peak is None else (peak + 1) / count for sign, peak in peaks.items()}
    return SizePoint(model.info.name, model.info.n_parameters, model.info.dtype, run, c, (run.best_layer + 1) / count, dose,
                     plus, minus, _per_dose(plus, dose), _per_dose(minus, dose), peaks[1], peaks[-1], depths[1], depths[-1],
                     run.mass_at_best(c), run.mass_at_best(-c))


def _peak(run: RunSummary, sign: int, c: float) -> int | None:
    """The layer where sign * c moves the score furthest in the direction of the sign."""
    column = metrics.coefficient_index(run.cells["coefficient"].values, sign * c)
    if column is None:
        return None
    best = metrics.best_layer(sign * run.cells["effect"].values[:, column])
    return None if best is None else int(run.cells["layer"].values[best])


def _per_dose(effect: Estimate | None, dose: float) -> Estimate | None:
    if effect is None or not np.isfinite(dose) or dose <= 0:
        return None
    return Estimate(*(value / dose * DOSE_UNIT for value in (effect.value, effect.low, effect.high)))
