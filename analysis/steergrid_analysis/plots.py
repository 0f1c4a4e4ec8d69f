"""The numbers of the interactive plots, as plain JSON values for templates/report.js.

Each plot says its `kind`, which decides how report.js draws it. Texts of the file never go in, but names of models, runs
and vectors do: h5.py admits only letters, digits, '.', '_' and '-' in them. What was not measured is null.
Called by figures.py.
"""

from __future__ import annotations

import numpy as np

from . import draw_models, style
from .metrics import LOW_MASS, coefficient_index
from .summary import ModelSummary, RunSummary, SweepSummary, VectorSummary

_DASHES = ["solid", "dash", "dashdot", "dot", "longdashdot", "longdash", "2px,2px"]
_SYMBOLS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "triangle-left", "triangle-right",
            "pentagon", "hexagon", "star"]


def heatmap(run: RunSummary, limit: float) -> dict:
    """Effects by layer and coefficient: percentage points and percent, rounded."""
    cells = run.cells.sortby("layer").sortby("coefficient")
    hover = [cells[name].values for name in ("effect_low", "effect_high", "score", "mass")]
    stacked = np.round(100 * np.stack(hover, axis=-1), 2)
    table = np.concatenate([stacked, cells["n"].values[..., None].astype(float)], axis=-1)
    sure = (cells["effect_low"].values > 0) | (cells["effect_high"].values < 0)
    low_mass = cells["mass"].values < LOW_MASS
    known = run.coefficient_unit in ("multiplier", "residual_norm")  # no text of the file reaches plotly
    return {"kind": "effect", "intervals": bool(np.isfinite(hover[0]).any()), "coefficients": [style.number(value) for value in cells["coefficient"].values],
            "layers": cells["layer"].values.tolist(), "effect": _nullable(np.round(100 * cells["effect"].values, 2)),
            "sure": np.where(low_mass, "×", np.where(sure, "•", "")).tolist(), "hover": _nullable(table), "limit": limit,
            "height": int(np.clip(170 + 26 * cells.sizes["layer"], 350, 580)),
            "unit": style.coefficient_label(run.coefficient_unit) if known else "Coefficient"}


def layers(vectors: VectorSummary) -> dict:
    """Cosines between layers."""
    names = vectors.layers["layer"].values.tolist()
    return {"kind": "cosines", "names": names, "cosine": _nullable(np.round(vectors.cosines, 3)), "height": 400,
            "axis": "Layer (after block)", "shown": False}


def between(model: ModelSummary) -> dict:
    """Cosines between behaviors at the best layer."""
    values = model.between.sel(layer=model.best_layer)
    names = values["vectors"].values.tolist()
    return {"kind": "cosines", "names": names, "cosine": _nullable(np.round(values.values, 3)), "height": 430,
            "axis": "Behavior", "shown": len(names) <= 8}


def sweep(model: ModelSummary) -> dict:
    """Effects of +c (blue) and -c (orange) by layer, one pair of lines a behavior."""
    lines = []
    for index, run in enumerate(model.reported):
        if run.reference is None or not run.measured:
            continue
        for sign, colour in ((1, style.PLUS), (-1, style.MINUS)):
            column = coefficient_index(run.cells["coefficient"].values, sign * run.reference)
            if column is None or sign not in run.signs:
                continue
            cells = run.cells.isel(coefficient=column).sortby("layer")
            lines.append(_line(run.name, index, colour, cells["layer"].values.tolist(),
                               *(cells[name].values for name in ("effect", "effect_low", "effect_high")),
                               style.coefficient(sign * run.reference, run.coefficient_unit, "+" if sign > 0 else ""),
                               cells["mass"].values))
    return {"kind": "lines", "lines": lines, "intervals": _with_intervals(lines), "x": "Layer (after block)", "y": "Change of P(matching) (% points)",
            "where": "layer %{x}", "whole": True, "height": _height(len({line["name"] for line in lines}))}


def dose(sweep: SweepSummary, run: str) -> dict:
    """Effect at the best layer against the added length, one line a model."""
    lines = [_line(name, index, style.series(index)["color"], np.round(100 * dose, 4).tolist(), effect["effect"],
                   effect["effect_low"], effect["effect_high"], "", effect["mass"])
             for index, name, dose, effect in draw_models.dose_lines(sweep, run)]
    return {"kind": "lines", "lines": lines, "intervals": _with_intervals(lines), "x": "Added length c·‖v′‖ / ‖h‖ (%)",
            "y": "Effect on P(matching) (% points)", "where": "length %{x:.1f} %", "whole": False, "height": _height(len(lines))}


def _line(name: str, index: int, colour: str, x: list, value, low, high, sign: str, mass) -> dict:
    value, low, high = (np.round(100 * np.asarray(part), 2) for part in (value, low, high))
    return {"name": name, "sign": sign, "colour": colour, "dash": _DASHES[index % 7], "x": x,
            "symbol": [_SYMBOLS[index % 12] + ("-open" if few else "") for few in np.asarray(mass) < LOW_MASS],
            "y": _nullable(value), "ends": _nullable(np.stack([low, high], axis=-1))}


def _with_intervals(lines: list[dict]) -> bool:
    return any(end is not None for line in lines for ends in line["ends"] for end in ends)


def _height(names: int) -> int:
    return 350 + 20 * min(-(-names // 3), 10)


def _nullable(values: np.ndarray) -> list:
    return np.where(np.isfinite(values), values, None).tolist()
