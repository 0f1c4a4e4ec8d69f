"""Holds a run of one result file against the run of the same name in another.

Questions belong together by their text, layers, coefficients and letters by their labels; rows count where their units
are done in both files. Arrays are read in slabs, whatever their size. Called by files.py.
"""

from __future__ import annotations

import numpy as np

from .. import h5, metrics
from ..rows import RUN_ARRAYS, RunRows
from .agreement import PairedMeans, RunAgreement, differs, probabilities, probability_distance
from .pairing import NotCompared, Pairing, leftovers, pair, slabs, undone

AXES = ("question", "layer", "coefficient", "letter")


def compare_run(model: str, name: str, ours: RunRows, theirs: RunRows) -> tuple[RunAgreement, list[NotCompared]]:
    """Every number that units fill. Throws ResultFileError."""
    where = f"{model}/{name}"
    axes = {axis: pair(labels(ours, axis), labels(theirs, axis)) for axis in AXES}
    missing = [line for axis in AXES for line in leftovers(where, f"{axis}s", axes[axis], named=axis != "question")]
    questions = axes["question"]
    done = ours.done[questions.ours], theirs.done[questions.theirs]
    plain = questions.where(done[0] & done[1])
    whole = ours.steered[plain.ours], theirs.steered[plain.theirs]
    steered = plain.where(whole[0] & whole[1])
    missing += undone(where, "questions", *done) + undone(where, "questions with steered cells", *whole)
    sources = [side.attributes["vectors"] for side in (ours, theirs)]
    found = RunAgreement(model, name, vectors=sources[0] if sources[0] == sources[1] else "")
    comparison = _Comparison(found, ours, theirs, axes)
    for array in ("letter_logprob", "top_logprob", "top_token"):
        comparison.take(array, steered)
    for array in ("baseline_logprob", "baseline_top_logprob", "baseline_top_token"):
        comparison.take(array, plain)
    comparison.compare_labels(plain)
    return comparison.finish(plain, steered), missing


def labels(run: RunRows, axis: str) -> list:
    """What the places of an axis are called in both files; a coefficient means nothing without its unit."""
    if axis == "question":
        return run.text
    if axis == "coefficient":
        return [Coefficient(value, run.attributes["coefficient_unit"]) for value in run.coords[axis].tolist()]
    values = run.coords[axis]
    return values if isinstance(values, list) else values.tolist()


class Coefficient(tuple):
    """(value, unit); shown with its unit, which is what keeps two of them apart."""

    def __new__(cls, value: float, unit: str):
        return super().__new__(cls, (value, unit))

    def __str__(self) -> str:
        return f"{self[0]:g} {self[1]}"


class _Comparison:
    """One pass over the arrays of two runs."""

    def __init__(self, found: RunAgreement, ours: RunRows, theirs: RunRows, axes: dict[str, Pairing]):
        self.found, self.sides, self.axes = found, (ours, theirs), axes
        self.names = {"layer": ours.coords["layer"][axes["layer"].ours].tolist(),
                      "coefficient": ours.coords["coefficient"][axes["coefficient"].ours].tolist(),
                      "letter": [ours.coords["letter"][i] for i in axes["letter"].ours]}
        self.matching = [side.letters_at("matching_letter") for side in self.sides]

    def take(self, array: str, rows: Pairing) -> None:
        """Compares one array in the rows that belong together."""
        dims = RUN_ARRAYS[array][1]
        handles = [side.array(array) for side in self.sides]
        row_bytes = max(map(h5.row_bytes, handles))
        baseline = array.startswith("baseline")
        scores = PairedMeans()
        before = self.found.different
        for part in slabs(len(rows.ours), row_bytes):
            index = (rows.ours[part], rows.theirs[part])
            cells = [_selected(h5.rows(handle, at), dims[1:], self.axes, which)
                     for handle, at, which in zip(handles, index, ("ours", "theirs"))]
            if "letter" in dims:
                scores.add(*[self._scores(cell, side, at) for side, (cell, at) in enumerate(zip(cells, index))])
                cells = [np.take(cell, places, axis=-1)
                         for cell, places in zip(cells, (self.axes["letter"].ours, self.axes["letter"].theirs))]
            self._count(array, dims, *cells, index[0], baseline)
        if self.found.different > before:
            self.found.arrays.append(array)
        if "letter" in dims:
            scores.see(self.found, **self._names(dims[1:-1], baseline))

    def _count(self, array: str, dims: tuple[str, ...], ours: np.ndarray, theirs: np.ndarray, rows: np.ndarray,
               baseline: bool) -> None:
        where = differs(ours, theirs)
        different = int(np.sum(where))
        self.found.values += ours.size
        self.found.different += different
        if array.endswith("token"):
            self.found.tokens += different
        elif different:
            seen = self.found.letter if "letter" in dims else self.found.likeliest
            distance = probability_distance(probabilities(ours), probabilities(theirs), where)
            seen.see(distance, question=_Texts(self.sides[0].text, rows), **self._names(dims[1:], baseline))

    def _names(self, dims: tuple[str, ...], baseline: bool) -> dict:
        """What the places of `dims` are called; an unsteered pass belongs to no layer."""
        return {dim: self.names[dim] for dim in dims} | ({"layer": None, "coefficient": None} if baseline else {})

    def _scores(self, logprob: np.ndarray, side: int, rows: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # a file may hold any number
            return metrics.scores(logprob.astype(np.float64), self.matching[side][rows], self.sides[side].coords["letter"])

    def compare_labels(self, rows: Pairing) -> None:
        """Which letters a question's answers are: facts of the plan, but scores hang on them."""
        different = np.zeros(len(rows.ours), dtype=bool)
        for name in ("matching_letter", "other_letter"):
            sides = [np.array([*side.coords["letter"], "none"], dtype=object)[side.letters_at(name)] for side in self.sides]
            different |= sides[0][rows.ours] != sides[1][rows.theirs]
        self.found.relabelled = int(different.sum())

    def finish(self, plain: Pairing, steered: Pairing) -> RunAgreement:
        grid = len(steered.ours) > 0 and len(self.names["letter"]) > 0
        self.found.extent = {"questions": len(plain.ours), "layers": len(self.names["layer"]) if grid else 0,
                             "coefficients": len(self.names["coefficient"]) if grid else 0}
        if grid and any(self.names["coefficient"]):
            self.found.steered_layers = self.names["layer"]
        return self.found


class _Texts:
    """The texts of some rows, looked up only where one is asked for."""

    def __init__(self, texts: list[str], rows: np.ndarray):
        self._texts, self._rows = texts, rows

    def __getitem__(self, index: int) -> str:
        return self._texts[self._rows[index]]


def _selected(values: np.ndarray, dims: tuple[str, ...], axes: dict[str, Pairing], which: str) -> np.ndarray:
    """The layers and coefficients that both have, [question, ...]; letters stay, for scores need all of them."""
    for axis, dim in enumerate(dims, start=1):
        places = getattr(axes[dim], which)
        if dim != "letter" and not np.array_equal(places, np.arange(values.shape[axis])):
            values = np.take(values, places, axis=axis)
    return values
