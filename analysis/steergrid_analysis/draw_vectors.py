"""Figures of one model's steering vectors: their size by layer, cosines between layers and between behaviors.

Purple and green stand for cosines, so that no one takes them for effects. Called by figures.py.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from . import style
from .style import MUTED, WIDTH, plain, styled
from .summary import ModelSummary, RunSummary, VectorSummary

_NORMS = (
    "How to read it: above, the length of each steering vector by layer before (thin) and after (marked) normalisation, "
    "with the mean length of the residual stream it is added to (grey, dashed); below, the length of a vector after "
    "normalisation in percent of that residual. ")


def norms_caption(runs: list[RunSummary]) -> str:
    """How to read the norms; what a coefficient of 1 adds depends on the unit."""
    units = {run.coefficient_unit for run in runs}
    words = []
    if "multiplier" in units:
        words.append("it is what a coefficient of 1 × v′ adds: where it is small, little can happen; where it is large, the "
                     "model may break")
    if "residual_norm" in units:
        words.append("a coefficient of 1 × ‖h‖ adds 100 % of the residual whatever the vector's length")
    return (_NORMS + "; ".join(words)[:1].upper() + "; ".join(words)[1:] + ("." if words else "")).rstrip()


COSINES_CAPTION = (
    "How to read it: each cell compares the vectors of two layers; green means the same direction (1), white unrelated (0), "
    "purple opposite (−1). A green block along the diagonal is a run of layers that share one direction: a vector made "
    "in one of them should steer in the others too. Normalisation does not change cosines.")


def between_caption(layer: int) -> str:
    return (f"How to read it: each cell compares the vectors of two behaviors at layer {layer}, where steering works best in "
            "the mean over behaviors; green means the same direction (1), purple opposite (−1). Steering with one behavior "
            "also pushes those that are green with it, and holds back the purple ones.")


@styled
def vector_norms(model: ModelSummary) -> Figure:
    """Norms of the vectors and of the residual by layer, and their ratio in percent."""
    sources = {index: vectors for index, vectors in enumerate(model.vectors) if vectors.done}
    figure = Figure(figsize=(WIDTH, 4.2 + 0.18 * (len(sources) // 2 + 2)))
    above, below = figure.subplots(2, 1, sharex=True)
    for index, vectors in sources.items():
        look, table = style.series(index), vectors.layers.sortby("layer")
        look["markevery"] = style.marker_step(table.sizes["layer"], index)
        above.plot(table["layer"], table["norm"], label=plain(vectors.label, 24), **look)
        above.plot(table["layer"], table["raw_norm"], color=look["color"], linewidth=0.8, alpha=0.8)
        below.plot(table["layer"], 100 * table["ratio"], **look)
    tables = [vectors.layers.sortby("layer") for vectors in sources.values()]
    residual = np.mean([table["residual_norm"].values for table in tables], axis=0)
    above.plot(tables[0]["layer"], residual, color=MUTED, linestyle="--", label="residual stream")
    above.plot([], [], color=MUTED, linewidth=0.8, label="before normalisation")
    log = _positive(above)
    if log:
        above.set_yscale("log")
        low, high = above.get_ylim()
        above.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 5 * low else range(1, 10)))
        if high < 2 * low:  # no round powers to speak of
            above.yaxis.set_major_locator(MaxNLocator(nbins=4))
        above.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        above.minorticks_off()
    above.set_ylabel("L2 norm, log scale\n(activation units)" if log else "L2 norm\n(activation units)")
    above.set_title(plain(model.info.name))
    below.set_ylim(bottom=0)
    below.set_ylabel("‖v′‖ / ‖h‖ (%)")
    below.set_xlabel("Layer (after block)")
    style.layer_axis(below)
    figure.legend(loc="outside lower center", ncols=2, handlelength=2.6)
    return figure


def _positive(axes) -> bool:
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    values = values[np.isfinite(values)]
    return values.size > 0 and bool((values > 0).all())


@styled
def layer_cosines(model: ModelSummary, vectors: VectorSummary) -> Figure:
    """Cosine of the raw vectors of every two layers of one behavior."""
    layers = vectors.layers["layer"].values
    figure, axes = _cosine_axes(vectors.cosines, f"{plain(vectors.label, 26)} · {plain(model.info.name, 22)}")
    ticks = style.spread_ticks(layers.size)
    axes.set_xticks(ticks, [str(layers[tick]) for tick in ticks])
    axes.set_yticks(ticks, [str(layers[tick]) for tick in ticks])
    axes.set_xlabel("Layer (after block)")
    axes.set_ylabel("Layer (after block)")
    return figure


def has_between(model: ModelSummary) -> bool:
    """Whether two vectors can be compared at a best layer."""
    return model.best_layer is not None and model.between.sizes["vectors"] > 1 and model.best_layer in model.between["layer"]


@styled
def behavior_cosines(model: ModelSummary) -> Figure:
    """Cosine of the raw vectors of every two behaviors at the model's best layer."""
    values = model.between.sel(layer=model.best_layer).values
    label = {vectors.name: plain(vectors.label, 24) for vectors in model.vectors}
    names = [label[name] for name in model.between["vectors"].values]
    figure, axes = _cosine_axes(values, f"{plain(model.info.name, 30)}, layer {model.best_layer}")
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("Behavior")
    axes.set_ylabel("Behavior")
    if len(names) <= 8:
        for (row, column), value in np.ndenumerate(values):
            axes.text(column, row, "" if np.isnan(value) else f"{value:.2f}".replace("-", "−"), ha="center", va="center",
                      fontsize=8 if len(names) <= 6 else 7, color="white" if abs(value) > 0.7 else style.INK)
    return figure


def _cosine_axes(values: np.ndarray, title: str):
    """A square heatmap of cosines, hatched where there is none, with its colour bar; no ticks yet."""
    figure = Figure(figsize=(WIDTH, 4.1))
    axes = figure.subplots()
    axes.set_facecolor("#f3f4f6")
    axes.patch.set(hatch="////", edgecolor="#c4c9d1", linewidth=0)
    image = axes.imshow(np.ma.masked_invalid(values), cmap=style.COSINE_MAP, vmin=-1, vmax=1, origin="lower",
                        interpolation="nearest", aspect="equal")
    axes.grid(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")  # wider than the square may be
    figure.colorbar(image, ax=axes, pad=0.02, shrink=0.7, label="Cosine similarity", ticks=[-1, -0.5, 0, 0.5, 1])
    return figure, axes
