"""What a report shows, in which order: one entry a figure, with the sentence that says how to read it.

Every figure is 4.8 inches wide (readable in print and at 400 pixels) and names its units on every axis. The drawing
itself is in draw_runs.py, draw_vectors.py and draw_models.py, the numbers of interactive twins in plots.py; a new kind
of figure is one function there and one entry here. Called by page.py and cli.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from . import comparison, draw_models, draw_runs, draw_vectors, plots
from .style import styled
from .summary import ModelSummary, RunSummary, SweepSummary

DPI = 180


@dataclasses.dataclass(frozen=True)
class FigureEntry:
    """One figure of a report: where it belongs, its files' stem, its title, how to read it, and how to draw it.

    `model` is None for a figure across models; `run` names a run, or a vector source, or nothing. `plot` gives the
    numbers of the interactive twin, where there is one."""

    kind: str
    model: str | None
    run: str | None
    stem: str
    title: str
    caption: str
    draw: Callable[[], Figure]
    plot: Callable[[], dict] | None = None


def all_figures(sweep: SweepSummary) -> Iterator[FigureEntry]:
    """What a report of this sweep shows; what has no value, or needs more models than there are, is left out."""
    yield from _across_models(sweep)
    limit = draw_runs.effect_limit(sweep)
    for model in sweep.models:
        yield from _of_model(model)
        for run in model.runs:
            if run.measured:
                yield from _of_run(model.info.name, run, limit)


def _across_models(sweep: SweepSummary) -> Iterator[FigureEntry]:
    """Effect and depth against size, and each behavior's effect against what was added."""
    compared = comparison.across_sizes(sweep)
    if not compared:
        return
    yield FigureEntry("size", None, None, "size--effect", "Effect against model size", draw_models.SIZE_CAPTION,
                      lambda: draw_models.effect_by_size(sweep))
    if draw_models.has_doses(sweep):
        yield FigureEntry("size", None, None, "size--effect-per-length", "Effect per length added, against model size",
                          draw_models.PER_DOSE_CAPTION, lambda: draw_models.effect_per_dose_by_size(sweep))
    yield FigureEntry("size", None, None, "size--depth", "Depth of the best layer", draw_models.DEPTH_CAPTION,
                      lambda: draw_models.depth_by_size(sweep))
    for name in compared:
        if len(draw_models.dose_lines(sweep, name)) > 1:
            yield FigureEntry("dose", None, name, _stem("length", name), "Effect by added length, all models",
                              draw_models.DOSE_CAPTION, lambda name=name: draw_models.effect_by_dose(sweep, name),
                              lambda name=name: plots.dose(sweep, name))


def _of_model(model: ModelSummary) -> Iterator[FigureEntry]:
    """The layer sweep, negative against positive, and the vectors."""
    name = model.info.name
    runs = [run for run in model.reported if run.measured]
    if any(run.reference is not None for run in runs):
        yield FigureEntry("sweep", name, None, _stem("sweep", name), "Layer sweep", draw_runs.sweep_caption(runs),
                          lambda: draw_runs.layer_sweep(model), lambda: plots.sweep(model))
    if draw_runs.has_balance(model):
        yield FigureEntry("balance", name, None, _stem("balance", name), f"Negative against positive steering, {name}",
                          draw_runs.BALANCE_CAPTION, lambda: draw_runs.balance(model))
    done = [vectors for vectors in model.vectors if vectors.done]
    if done:
        yield FigureEntry("norms", name, None, _stem("norms", name), "Size of the steering vectors", draw_vectors.norms_caption(model.runs),
                          lambda: draw_vectors.vector_norms(model))
    if draw_vectors.has_between(model):
        yield FigureEntry("between", name, None, _stem("cosines", name), "Cosine between behaviors",
                          draw_vectors.between_caption(model.best_layer), lambda: draw_vectors.behavior_cosines(model),
                          lambda: plots.between(model))
    for vectors in done:
        yield FigureEntry("cosines", name, vectors.name, _stem("cosines", name, vectors.name),
                          f"Cosine between layers: {vectors.label}", draw_vectors.COSINES_CAPTION,
                          lambda vectors=vectors: draw_vectors.layer_cosines(model, vectors),
                          lambda vectors=vectors: plots.layers(vectors))


def _of_run(model: str, run: RunSummary, limit: float) -> Iterator[FigureEntry]:
    """The heatmap and, for runs that report an effect, P(matching) at the best layer."""
    on = "" if run.chooses_for is None else ", on the validation questions"
    yield FigureEntry("heatmap", model, run.name, _stem("heatmap", model, run.name), f"Effect by layer and coefficient{on}",
                      draw_runs.HEATMAP_CAPTION, lambda: draw_runs.effect_heatmap(run, limit),
                      lambda: plots.heatmap(run, limit))
    if run.best is not None and run.chooses_for is None:
        yield FigureEntry("coefficients", model, run.name, _stem("coefficients", model, run.name), "P(matching) by coefficient",
                          draw_runs.coefficients_caption(run), lambda: draw_runs.by_coefficient(run))


def _stem(*names: str) -> str:
    """A file name without its ending; names that are long together are cut and told apart by a hash."""
    stem = "--".join(names)
    return stem if len(stem) <= 200 else f"{stem[:180]}--{hashlib.sha256(stem.encode()).hexdigest()[:12]}"


def png(figure: Figure, target) -> None:
    """Writes a PNG of at most 256 colours to a path or a binary stream; the same figure gives the same bytes."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    few = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(target, format="PNG", dpi=(DPI, DPI))


def files_of(folder: Path, stem: str) -> list[Path]:
    """The files of one figure, PNG and PDF."""
    return [folder / f"{stem}.png", folder / f"{stem}.pdf"]


@styled
def save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Writes PNG and PDF under `folder`; returns both paths."""
    paths = files_of(folder, stem)
    png(figure, paths[0])
    figure.set_layout_engine("none")  # the layout stands: the PDF need not find it again
    figure.savefig(paths[1], metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return paths


def save_all(entries: list[FigureEntry], folder: Path) -> list[Path]:
    """Draws and writes every figure, as many at once as the process has cores; returns all paths in order."""
    workers = min(len(os.sched_getaffinity(0)), len(entries))
    if workers < 2:
        return [path for entry in entries for path in save(entry.draw(), folder, entry.stem)]
    forked = multiprocessing.get_context("fork")  # entries are functions: inherited, since they cannot be sent
    with ProcessPoolExecutor(workers, forked, _inherit, (entries, folder)) as pool:
        return [path for paths in pool.map(_save_one, range(len(entries))) for path in paths]


def _inherit(entries: list[FigureEntry], folder: Path) -> None:
    global _to_draw
    _to_draw = entries, folder


def _save_one(index: int) -> list[Path]:
    entries, folder = _to_draw
    return save(entries[index].draw(), folder, entries[index].stem)
