"""How far two arrays of results lie apart, what that amounts to for a run or a vector source, and when it passes.

Pure functions on arrays, and the records they end in; no file. NaN on both sides has the same bits. Where bits differ and
a value is not finite, the distance is infinite: no tolerance covers it.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np


def differs(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Where two arrays of one shape hold other bits; +0 and -0 do, NaN and NaN do not, whatever their payload.

    Floats of other widths are widened first, which is exact."""
    if ours.dtype.kind != "f":
        return ours != theirs
    a, b = (np.ascontiguousarray(side, dtype=np.float64) for side in (ours, theirs))
    return (a.view(np.uint64) != b.view(np.uint64)) & ~(np.isnan(a) & np.isnan(b))


def probability_distance(ours: np.ndarray, theirs: np.ndarray, where: np.ndarray) -> np.ndarray:
    """|difference| of two arrays of probabilities where their bits differ (`where`), infinite if one of the two is not
    finite; NaN elsewhere. All of one shape. Other bits of a log-probability may make the same probability."""
    with np.errstate(invalid="ignore"):
        distance = np.where(np.isfinite(ours) & np.isfinite(theirs), np.abs(ours - theirs), np.inf)
    return np.where(where, distance, np.nan)


class PairedMeans:
    """Means of scores [question, cells...] over the questions that both sides measured, gathered slab by slab."""

    def __init__(self):
        self._sums, self._count = [0.0, 0.0], 0

    def add(self, ours: np.ndarray, theirs: np.ndarray) -> None:
        """Scores of the same questions; what is not finite on a side counts on neither."""
        both = np.isfinite(ours) & np.isfinite(theirs)
        self._sums = [total + np.sum(np.where(both, side, 0.0), axis=0) for total, side in zip(self._sums, (ours, theirs))]
        self._count = self._count + both.sum(axis=0)

    def see(self, found: RunAgreement, **labels) -> None:
        """Takes note of |difference| of the means, by cell, and of how many cells have one."""
        with np.errstate(invalid="ignore", divide="ignore"):
            distance = np.abs(np.subtract(*self._sums)) / self._count
        found.scores += int(np.isfinite(distance).sum())
        found.score.see(np.where(distance == 0, np.nan, distance), **labels)


def probabilities(logprob: np.ndarray) -> np.ndarray:
    """exp in float64. A file may hold anything: what is beyond a probability becomes infinite."""
    with np.errstate(over="ignore"):
        return np.exp(logprob.astype(np.float64))


def relative_distances(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """||a - b|| / max(||a||, ||b||) over the last axis, in float64: [..., hidden] -> [...]; from 0 to 2.

    NaN where the bits are the same, infinite where one of the two is not finite."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    same = ~differs(a, b).any(axis=-1)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        longer = np.maximum(np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1))
        apart = np.linalg.norm(a - b, axis=-1)
        distance = np.where(apart == 0, 0.0, apart / longer)
    distance[~np.isfinite(distance)] = np.inf
    distance[same] = np.nan
    return distance


def row_cosines(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The cosine of each row with its counterpart, [..., hidden] -> [...]; NaN for rows without a direction."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        cosine = np.sum(a * b, axis=-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    return np.clip(cosine, -1.0, 1.0)


@dataclasses.dataclass
class Extreme:
    """The largest of the values it has seen (`sign` -1: the smallest), and where that was, as labels by axis."""

    sign: int = 1
    value: float | None = None
    place: dict = dataclasses.field(default_factory=dict)

    def see(self, values: np.ndarray, **labels) -> None:
        """`labels`: for each axis of `values`, in their order, what its places are called; further ones hold for all.

        NaN is not seen."""
        ranked = np.where(np.isnan(values), -np.inf, self.sign * np.asarray(values))
        if not ranked.size or ranked.max() == -np.inf:
            return
        at = np.unravel_index(np.argmax(ranked), ranked.shape)
        if self.value is not None and ranked[at] <= self.sign * self.value:
            return
        self.value = float(values[at])
        axes = list(labels.items())
        self.place = {name: names[int(index)] for (name, names), index in zip(axes, at)} | dict(axes[len(at):])


@dataclasses.dataclass
class RunAgreement:
    """A run (or a behavior of published results) held against its counterpart."""

    model: str
    run: str
    vectors: str = ""  # the source it adds
    extent: dict[str, int] = dataclasses.field(default_factory=dict)  # what was compared: "questions": 9
    steered_layers: list[int] = dataclasses.field(default_factory=list)  # compared with a coefficient that steers
    values: int = 0
    different: int = 0  # values with other bits
    arrays: list[str] = dataclasses.field(default_factory=list)  # that hold them
    letter: Extreme = dataclasses.field(default_factory=Extreme)  # of a letter's probability
    likeliest: Extreme = dataclasses.field(default_factory=Extreme)  # of the likeliest token's
    score: Extreme = dataclasses.field(default_factory=Extreme)  # of a cell's mean score
    scores: int = 0  # cells that have a mean score, over questions that both sides measured
    tokens: int = 0  # places where another token is the likeliest
    relabelled: int = 0  # questions with another matching or other letter

    @property
    def same_bits(self) -> bool:
        return self.different == 0 and self.relabelled == 0

    @property
    def probability(self) -> float | None:
        """The largest difference of any probability; None: all have the same bits."""
        return max((one.value for one in (self.letter, self.likeliest) if one.value is not None), default=None)

    def passes(self, tolerance: float | None) -> bool:
        """Another likeliest token alone is no failure within a tolerance: near ties turn. Another matching letter is."""
        return self.same_bits or (tolerance is not None and not self.relabelled and (self.probability or 0.0) <= tolerance)


@dataclasses.dataclass
class VectorAgreement:
    """A vector source held against its counterpart: the vector, the sums of blocks of pairs, the stored activations."""

    model: str
    source: str
    extent: dict[str, int] = dataclasses.field(default_factory=dict)
    values: int = 0
    different: int = 0
    arrays: list[str] = dataclasses.field(default_factory=list)
    distance: Extreme = dataclasses.field(default_factory=Extreme)  # relative, over arrays and layers
    cosine: Extreme = dataclasses.field(default_factory=lambda: Extreme(sign=-1))  # of the vector
    by_layer: dict[int, float] = dataclasses.field(default_factory=dict)  # the largest relative distance

    @property
    def same_bits(self) -> bool:
        return self.different == 0

    def passes(self, tolerance: float | None, judged: set[int]) -> bool:
        """A vector has no probability. At the layers `judged`, where runs that add it were compared, theirs decide; at
        others its relative distance has to lie within the tolerance."""
        return self.same_bits or (tolerance is not None and all(
            distance <= tolerance or (layer in judged and math.isfinite(distance))
            for layer, distance in self.by_layer.items()))
