"""Applies the metrics to every model, run and vector source of a result file.

The one place where the file meets the metrics: figures, tables and the page read a SweepSummary and nothing else, so a
new statistic is added here (and in metrics.py) and drawn there. All values are fractions, not percent; percentage
points appear only in figures and pages. A run without a finished unit has a summary too, with NaN in every cell.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr

from . import metrics, selection
from .clusters import clusters
from .letters import MatchingLetters
from .results import Head, ModelInfo, ResultFile
from .sched import Failure, UnitCounts


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over questions with its 95 % bootstrap interval; NaN where nothing was measured, `low` and `high` also where
    questions are too few for an interval."""

    value: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        return bool(np.isfinite([self.low, self.high]).all())


@dataclasses.dataclass(frozen=True)
class RunSummary:
    """One model and one run. `cells` [layer, coefficient]: score, score_low, score_high, effect, effect_low, effect_high,
    mass, mass_letters, n, top_token, top_token_share, letter_on_top. `layers` [layer]: span (score at +c - score at -c)
    and tilt (|effect of -c| - |effect of +c|), each with _low and _high, NaN where a sign is missing; push: what the layer
    is chosen by, the span or, where one sign was run, its effect. `best` indexes the layer that is reported;
    `chosen_on` names the validation run that chose it (None: these same questions, so the effect there is optimistic).
    `in_pairs` counts the questions that also stand in the pairs of the run's vectors. `different` counts the finished
    questions that are not one another in another order of choices, or word for word; intervals resample those.
    `both_orders`: each of them is there in two orders of its choices. `matching` counts the finished questions' letters."""

    model: str
    name: str
    behavior: str
    vectors: str
    positions: str
    coefficient_unit: str
    convention: str
    letters: tuple[str, ...]
    questions: int
    questions_done: int
    different: int
    both_orders: bool
    matching: MatchingLetters
    cells: xr.Dataset
    layers: xr.Dataset
    baseline: Estimate
    baseline_mass: float
    reference: float | None
    best: int | None
    texts: frozenset[str]
    in_pairs: int = 0
    chosen_on: str | None = None
    chooses_for: str | None = None
    note: str | None = None

    @property
    def label(self) -> str:
        """What figures and tables call this run: its behavior, with the run's own name where that differs."""
        return _label(self.behavior, self.name)

    @property
    def measured(self) -> bool:
        """Whether any steered cell has a value."""
        return bool(np.isfinite(self.cells["score"].values).any())

    @property
    def signs(self) -> tuple[int, ...]:
        """Which of +c and -c are there: measured anywhere or, while nothing is, in the list."""
        found = []
        for sign in (1, -1) if self.reference is not None else ():
            column = metrics.coefficient_index(self.cells["coefficient"].values, sign * self.reference)
            if column is not None and (not self.measured or np.isfinite(self.cells["score"].values[:, column]).any()):
                found.append(sign)
        return tuple(found)

    @property
    def complete(self) -> bool:
        return self.questions_done == self.questions and bool((self.cells["n"].values == self.questions).all())

    @property
    def best_layer(self) -> int | None:
        """The layer that is reported: where the span is greatest, on the validation questions where there are some."""
        return None if self.best is None else int(self.cells["layer"].values[self.best])

    def at_best(self, coefficient: float, quantity: str) -> Estimate | None:
        """score or effect at the best layer and a coefficient; None where the sweep has no such cell."""
        column = metrics.coefficient_index(self.cells["coefficient"].values, coefficient)
        if self.best is None or column is None:
            return None
        cell = self.cells.isel(layer=self.best, coefficient=column)
        return Estimate(*(float(cell[name]) for name in (quantity, f"{quantity}_low", f"{quantity}_high")))


    def mass_at_best(self, coefficient: float) -> float:
        """Mean probability of answering with a letter at the best layer; NaN where the sweep has no such cell."""
        column = metrics.coefficient_index(self.cells["coefficient"].values, coefficient)
        if self.best is None or column is None:
            return np.nan
        return float(self.cells["mass"].values[self.best, column])

    def low_mass(self, *coefficients: float) -> bool:
        """Whether at any of these coefficients, at the best layer, too few answers are letters for a score to mean much."""
        return any(self.mass_at_best(coefficient) < metrics.LOW_MASS for coefficient in coefficients)

    def layer_at_best(self, quantity: str) -> Estimate | None:
        """span or tilt at the best layer; None where it was not measured."""
        if self.best is None or not np.isfinite(self.layers[quantity].values[self.best]):
            return None
        layer = self.layers.isel(layer=self.best)
        return Estimate(*(float(layer[name]) for name in (quantity, f"{quantity}_low", f"{quantity}_high")))


@dataclasses.dataclass(frozen=True)
class VectorSummary:
    """One vector source. `layers` [layer]: raw_norm ||v||, norm ||v'||, residual_norm ||h||, ratio ||v'||/||h||;
    `cosines` [layer, layer]: of the raw vectors of every two layers. `matching` counts the pairs' letters."""

    name: str
    behavior: str
    method: str
    normalize: str
    done: bool
    blocks_done: int
    blocks_total: int
    layers: xr.Dataset
    cosines: np.ndarray
    matching: MatchingLetters

    @property
    def label(self) -> str:
        return _label(self.behavior, self.name)


@dataclasses.dataclass(frozen=True)
class ModelSummary:
    """One model. `between` [layer, vectors, other]: cosines of the raw vectors of every two sources at one layer."""

    info: ModelInfo
    runs: list[RunSummary]
    vectors: list[VectorSummary]
    between: xr.DataArray

    @property
    def reported(self) -> list[RunSummary]:
        """The runs that report an effect, without those that only choose a layer."""
        return [run for run in self.runs if run.chooses_for is None]

    @property
    def best_layer(self) -> int | None:
        """Where steering moves P(matching) furthest in the mean over behaviors, on the questions that choose the layers."""
        choosing = {run.chosen_on or run.name for run in self.reported}
        pushes = [run.layers["push"] for run in self.runs if run.name in choosing and run.measured]
        if not pushes:
            return None
        mean = xr.concat(pushes, "run", join="inner").mean("run", skipna=False)
        best = metrics.best_layer(mean.values)
        return None if best is None else int(mean["layer"].values[best])


@dataclasses.dataclass(frozen=True)
class SweepSummary:
    head: Head
    counts: UnitCounts
    failures: list[Failure]
    models: list[ModelSummary]
    convention: str
    resamples: int
    wanted: float | None = None  # the c that the user asked for; runs without an answer there have their own

    @property
    def runs(self) -> list[RunSummary]:
        return [run for model in self.models for run in model.runs]

    @property
    def reported(self) -> list[RunSummary]:
        """The runs that report an effect, without those that only choose a layer."""
        return [run for model in self.models for run in model.reported]


def summarise(results: ResultFile, convention: str = "caa", resamples: int = metrics.RESAMPLES,
              coefficient: float | None = None) -> SweepSummary:
    """Summarises a whole file, at `coefficient` > 0 where a run has an answer at it or at its negative.

    Throws ResultFileError where the file is not as documented, selection.NoSuchCoefficient where no run lists `coefficient`."""
    if coefficient is not None:
        selection.check_coefficient(results, coefficient)
    head = results.head
    models = []
    for name in results.models():
        sources = results.vectors_of(name)
        pairs = {source: results.pair_texts(name, source) for source in sources}
        runs = [summarise_run(results.run(name, run), name, run, head.seed, convention, resamples, pairs, coefficient)
                for run in results.runs_of(name)]
        vectors = {source: results.vectors(name, source) for source in sources}
        models.append(ModelSummary(results.model(name), selection.choose_layers(runs),
                                   [summarise_vectors(found, source, results.pair_letters(name, source))
                                    for source, found in vectors.items()],
                                   between_sources(vectors)))
    return SweepSummary(head, results.counts(), results.failures(), models, convention, resamples, coefficient)


def _label(behavior: str, name: str) -> str:
    return behavior if behavior == name else f"{behavior} ({name})"


@np.errstate(all="ignore")  # what is not finite in the file is left out, not warned about
def summarise_run(run: xr.Dataset, model: str, name: str, seed: int, convention: str, resamples: int,
                  pairs: dict[str, frozenset[str]] | None = None, wanted: float | None = None) -> RunSummary:
    """All statistics of one run; `run` as ResultFile.run returns it, `pairs` the questions behind each vector source,
    `wanted` the coefficient to report where it was measured."""
    finished = run.isel(question=np.flatnonzero(run["done"].values))
    letters = tuple(str(letter) for letter in run["letter"].values)
    matching = finished["matching_letter"].values
    score = metrics.scores(finished["letter_logprob"].values, matching, letters, convention)
    plain = metrics.scores(finished["baseline_logprob"].values, matching, letters, convention)
    same = clusters(finished["text"].values)
    draws = metrics.resample_weights(finished.sizes["question"], seed, resamples, same.index), same.index
    coefficients = run["coefficient"].values
    measured = np.isfinite(score).any(axis=(0, 1))
    reference = metrics.reference_coefficient(coefficients[measured] if measured.any() else coefficients, wanted)
    layers = _layer_statistics(score, plain, coefficients, reference, draws)
    layers = layers.assign_coords(layer=run["layer"].values)
    return RunSummary(
        model=model, name=name, behavior=run.attrs["behavior"], vectors=run.attrs["vectors"], positions=run.attrs["positions"],
        coefficient_unit=run.attrs["coefficient_unit"], convention=convention, letters=letters, questions=run.sizes["question"],
        questions_done=finished.sizes["question"], different=same.count, both_orders=same.pairs,
        matching=MatchingLetters.counted([letters[index] if index >= 0 else None for index in matching]),
        cells=_cell_statistics(finished, score, plain, letters, convention, draws),
        layers=layers, baseline=_estimate(plain, draws),
        baseline_mass=float(metrics.mean(metrics.mass(finished["baseline_logprob"].values, letters, convention))),
        reference=reference, best=metrics.best_layer(layers["push"].values),
        texts=frozenset(str(text) for text in run["text"].values),
        in_pairs=sum(str(text) in (pairs or {}).get(run.attrs["vectors"], ()) for text in run["text"].values))


def _cell_statistics(run: xr.Dataset, score, plain, letters, convention: str, draws) -> xr.Dataset:
    """The statistics over questions of every cell, [layer, coefficient]; `draws`: resample weights and clusters."""
    logprob = run["letter_logprob"].values
    effect = metrics.effects(score, plain)
    token, share = metrics.top_token_share(run["top_token"].values)
    values = {"score": metrics.mean(score), "effect": metrics.mean(effect), "n": metrics.count(score),
              "mass": metrics.mean(metrics.mass(logprob, letters, convention)),
              "mass_letters": metrics.mean(metrics.mass(logprob, letters, "letters")),
              "top_token": token, "top_token_share": share,
              "letter_on_top": metrics.mean(metrics.letter_on_top(logprob, run["top_logprob"].values))}
    for name, per_question in (("score", score), ("effect", effect)):
        values[f"{name}_low"], values[f"{name}_high"] = metrics.bootstrap_interval(per_question, *draws)
    dims = ("layer", "coefficient")
    return xr.Dataset({name: (dims, value) for name, value in values.items()},
                      coords={dim: run[dim].values for dim in dims})


def _layer_statistics(score, plain, coefficients, reference: float | None, draws) -> xr.Dataset:
    """At the reference coefficient, by layer and with intervals: score(+c) - score(-c), and which sign moves more."""
    if reference is None:
        span, tilt = np.full(score.shape[:2], np.nan), np.full((3, score.shape[1]), np.nan)
        push = np.full(score.shape[1], np.nan)
    else:
        effect = metrics.effects(score, plain)
        span = metrics.spans(score, coefficients, reference)
        tilt = metrics.imbalance(effect, coefficients, reference, *draws)
        push = metrics.pushes(metrics.mean(effect), coefficients, reference)
        if np.isfinite(span).any():
            push = metrics.mean(span)  # paired, question by question
    low, high = metrics.bootstrap_interval(span, *draws)
    values = {"span": metrics.mean(span), "span_low": low, "span_high": high,
              "tilt": tilt[0], "tilt_low": tilt[1], "tilt_high": tilt[2], "push": push}
    return xr.Dataset({name: ("layer", value) for name, value in values.items()})


def _estimate(values: np.ndarray, draws) -> Estimate:
    low, high = metrics.bootstrap_interval(values, *draws)
    return Estimate(float(metrics.mean(values)), float(low), float(high))


@np.errstate(all="ignore")
def summarise_vectors(vectors: xr.Dataset, name: str, matching: list[str]) -> VectorSummary:
    """Norms by layer; `vectors` as ResultFile.vectors returns it, `matching` the letters of its pairs. What cannot be a norm
    is left out."""
    raw, norm, residual = (value.where((value == 0) | ((value > 1e-30) & (value < 1e30))) for value in (
        vectors["mean_norm"], vectors["mean_norm"] * np.abs(vectors["scale"]), vectors["residual_norm"]))
    layers = xr.Dataset({"raw_norm": raw, "norm": norm, "residual_norm": residual,
                         "ratio": (norm / residual).where(residual > 0)})
    cosines = metrics.cosines(vectors["mean"].values)
    attrs = vectors.attrs
    return VectorSummary(name, attrs["behavior"], attrs["method"], attrs["normalize"], attrs["done"],
                         attrs["blocks_done"], attrs["blocks_total"], layers, cosines, MatchingLetters.counted(matching))


@np.errstate(all="ignore")
def between_sources(vectors: dict[str, xr.Dataset]) -> xr.DataArray:
    """Cosines between the finished sources of one model, [layer, vectors, other]."""
    done = {name: found for name, found in vectors.items() if found.attrs["done"]}
    means = np.stack([found["mean"].values for found in done.values()], axis=1) if done else np.zeros((0, 0, 1))
    layer = next(iter(done.values()))["layer"].values if done else np.zeros(0, dtype=np.int64)
    values = np.array([metrics.cosines(rows) for rows in means]).reshape(layer.size, len(done), len(done))
    return xr.DataArray(values, coords={"layer": layer, "vectors": list(done), "other": list(done)},
                        dims=("layer", "vectors", "other"))
