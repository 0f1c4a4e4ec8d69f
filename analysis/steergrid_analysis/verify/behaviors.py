"""Holds runs of a result file against one behavior of results that the CAA authors published.

A published multiplier is a coefficient of unit `multiplier`, and multiplier 0 the unsteered pass whatever the layer. Items
belong together by their question. One published file is in memory at a time, with the column of the run that answers it.
Called by folder.py.
"""

from __future__ import annotations

import itertools

import numpy as np

from .. import h5, metrics
from ..h5 import ResultFileError
from ..rows import RunRows
from .agreement import PairedMeans, RunAgreement, differs, probabilities, probability_distance
from .pairing import SHOWN, Left, NotCompared, Pairing, left, pair
from .published import Cell, Items, read_items

LETTERS = ("A", "B")


def compare_behavior(model: str, behavior: str, runs: dict[str, RunRows],
                     cells: list[Cell]) -> tuple[list[RunAgreement], list[NotCompared]]:
    """p(A), p(B) of every item and the mean score of every cell: one behavior's files against each of `runs`, by name, that
    has their cells. Throws ResultFileError."""
    found, missing, answered = [], [], set()
    for name, ours in runs.items():
        comparison = _AgainstFiles(RunAgreement(model, name), ours)
        answered.update(cell for cell in cells if comparison.take(cell))
        found.append(comparison.found)
        missing += comparison.missing()
    rest = [f"{cell.multiplier:g} at layer {cell.layer}" for cell in cells if cell not in answered]
    return found, missing + [NotCompared(f"{model}/{behavior}", "published cells", Left(), left(rest))] * bool(rest)


class _AgainstFiles:
    """One pass of a run over the files of a behavior. An item is a question of a cell."""

    def __init__(self, found: RunAgreement, ours: RunRows):
        self.found, self.ours = found, ours
        letters = ours.coords["letter"]
        if not set(LETTERS) <= set(letters):
            raise ResultFileError(f"expected the letters A and B, found {h5.one_line(', '.join(letters))}, "
                                  f"at {h5.where(ours.group, 'letter')}")
        self._letters = [letters.index(letter) for letter in LETTERS]
        place = {index: letter for letter, index in enumerate(self._letters)}
        self._matching = np.array([place.get(index, -1) for index in ours.letters_at("matching_letter").tolist()], np.int64)
        self._layers = {layer: index for index, layer in enumerate(ours.coords["layer"].tolist())}
        steers = ours.attributes["coefficient_unit"] == "multiplier"
        self._coefficients = {c: index for index, c in enumerate(ours.coords["coefficient"].tolist()) if steers}
        self._taken: set[tuple[int, float]] = set()
        self._rows: set[int] = set()
        self._relabelled: set[int] = set()
        self._left = np.zeros(3, dtype=np.int64)  # items that only the run has, only the files have, that are not done
        found.extent = {"questions": 0, "published cells": 0, "items": 0}

    def take(self, cell: Cell) -> bool:
        """Compares one file, if the run has its cell; whether it has."""
        column = self._column(cell)
        if column is None:
            return False
        self._taken.add((cell.layer, cell.multiplier))
        logprob, done = column
        items = read_items(cell)
        rows = pair(self.ours.text, items.questions)
        self._left += len(rows.only_ours), len(rows.only_theirs), np.sum(~done[rows.ours])
        rows = rows.where(done[rows.ours])
        self._rows.update(rows.ours.tolist())
        self._relabelled.update(rows.ours[self._matching[rows.ours] != items.matching[rows.theirs]].tolist())
        self._see(cell, rows, logprob[rows.ours][:, self._letters], items)
        self.found.relabelled = len(self._relabelled)
        self.found.extent["questions"] = len(self._rows)
        self.found.extent["published cells"] += bool(len(rows.ours))
        self.found.extent["items"] += len(rows.ours)
        return True

    def _column(self, cell: Cell) -> tuple[np.ndarray, np.ndarray] | None:
        """The run's log-probabilities [question, letter] of a published cell, and which rows are done."""
        ours = self.ours
        if cell.multiplier == 0:
            return h5.whole(ours.array("baseline_logprob")), ours.done
        layer, coefficient = self._layers.get(cell.layer), self._coefficients.get(cell.multiplier)
        if layer is None or coefficient is None:
            return None
        return h5.whole(ours.array("letter_logprob"), (slice(None), layer, coefficient)), ours.steered

    def _see(self, cell: Cell, rows: Pairing, logprob: np.ndarray, items: Items) -> None:
        """Takes note of one cell: log-probabilities of A and B, [pair, letter]."""
        ours, theirs = probabilities(logprob), items.probability[rows.theirs]
        where = differs(ours, theirs)
        self.found.values += ours.size
        self.found.different += int(np.sum(where))
        self.found.letter.see(probability_distance(ours, theirs, where), question=[self.ours.text[row] for row in rows.ours],
                              letter=LETTERS, layer=cell.layer, coefficient=cell.multiplier)
        means = PairedMeans()
        with np.errstate(all="ignore"):  # a file may hold any number
            means.add(metrics.scores(logprob.astype(np.float64), self._matching[rows.ours], LETTERS),
                      metrics.scores_from_probabilities(theirs, items.matching[rows.theirs], np.arange(2)))
        means.see(self.found, layer=cell.layer, coefficient=cell.multiplier)

    def missing(self) -> list[NotCompared]:
        """What the run has and no file, and of the cells of both what was not compared."""
        where = f"{self.found.model}/{self.found.run}"
        ours, theirs, undone = map(int, self._left)
        found = [NotCompared(where, "cells", self._cells_left(), Left()),
                 NotCompared(where, "items", Left(ours), Left(theirs)),
                 NotCompared(where, "items", Left(undone), Left(), why="not done in")]
        return [one for one in found if one.results.count or one.other.count]

    def _cells_left(self) -> Left:
        """Steered cells of the run that no file was held against."""
        steered = [c for c in self.ours.coords["coefficient"].tolist() if c != 0]
        unit = self.ours.attributes["coefficient_unit"]
        shown = f" {h5.one_line(unit, 30)}" if unit != "multiplier" else ""
        rest = (f"{c:g}{shown} at layer {layer}" for layer in self._layers for c in steered if (layer, c) not in self._taken)
        count = len(self._layers) * len(steered) - sum(layer in self._layers and c in steered for layer, c in self._taken)
        return Left(count, tuple(itertools.islice(rest, SHOWN)))
