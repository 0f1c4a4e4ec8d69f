"""Holds a run of a result file against one behavior of results that the CAA authors published.

A published multiplier is a coefficient of unit `multiplier`, and multiplier 0 the unsteered pass whatever the layer. Items
belong together by their question. One published file is in memory at a time, with the column of the run that answers it.
Called by verify_folder.py.
"""

from __future__ import annotations

import itertools

import numpy as np

from . import h5, metrics
from .agreement import RunAgreement, differs, probabilities, probability_distance
from .h5 import ResultFileError
from .pairing import SHOWN, Left, NotCompared, left, numbered, pair
from .published import Cell, Items, read_items
from .rows import RunRows

LETTERS = ("A", "B")


def compare_behavior(model: str, name: str, ours: RunRows, cells: list[Cell]) -> tuple[RunAgreement, list[NotCompared]]:
    """p(A), p(B) of every item and the mean score of every cell, for one behavior's files. Throws ResultFileError."""
    comparison = _Comparison(RunAgreement(model, name), ours)
    for cell in cells:
        comparison.take(cell)
    return comparison.finish(), comparison.missing(cells)


class _Comparison:
    """One pass over the files of a behavior."""

    def __init__(self, found: RunAgreement, ours: RunRows):
        self.found, self.ours = found, ours
        letters = ours.coords["letter"]
        if not set(LETTERS) <= set(letters):
            raise ResultFileError(f"expected the letters A and B, found {h5.one_line(', '.join(letters))}, "
                                  f"at {h5.where(ours.group, 'letter')}")
        self._letters = [letters.index(letter) for letter in LETTERS]
        place = {letter: index for index, letter in enumerate(self._letters)}
        matching = ours.letters_at("matching_letter").tolist()
        self._matching = np.array([place.get(index, -1) for index in matching], dtype=np.int64)
        self._layers = {layer: index for index, layer in enumerate(ours.coords["layer"].tolist())}
        steers = ours.attributes["coefficient_unit"] == "multiplier"
        self._coefficients = {c: index for index, c in enumerate(ours.coords["coefficient"].tolist()) if steers}
        self._compared: list[Cell] = []
        self._rows: set[int] = set()
        self._undone: set[int] = set()
        self._items: set[tuple] = set()  # published questions that the run lacks
        self._relabelled: set[int] = set()

    def take(self, cell: Cell) -> None:
        """Compares one file, if the run has its cell."""
        column = self._column(cell)
        if column is None:
            return
        logprob, done = column
        items = read_items(cell)
        rows = pair(self.ours.text, items.questions)
        self._items.update(numbered(rows.only_theirs))
        self._undone.update(rows.ours[~done[rows.ours]].tolist())
        rows = rows.where(done[rows.ours])
        self._relabelled.update(rows.ours[self._matching[rows.ours] != items.matching[rows.theirs]].tolist())
        if len(rows.ours):
            self._compared.append(cell)
            self._rows.update(rows.ours.tolist())
            self._see(cell, rows.ours, probabilities(logprob[rows.ours][:, self._letters]), items, rows.theirs)

    def _column(self, cell: Cell) -> tuple[np.ndarray, np.ndarray] | None:
        """The run's log-probabilities [question, letter] of a published cell, and which rows are done."""
        ours = self.ours
        if cell.multiplier == 0:
            return h5.whole(ours.array("baseline_logprob")), ours.done
        layer, coefficient = self._layers.get(cell.layer), self._coefficients.get(cell.multiplier)
        if layer is None or coefficient is None:
            return None
        return h5.whole(ours.array("letter_logprob"), (slice(None), layer, coefficient)), ours.steered

    def _see(self, cell: Cell, rows: np.ndarray, ours: np.ndarray, items: Items, places: np.ndarray) -> None:
        theirs = items.probability[places]
        where = differs(ours, theirs)
        self.found.values += ours.size
        self.found.different += int(np.sum(where))
        texts = [self.ours.text[row] for row in rows]
        self.found.letter.see(probability_distance(ours, theirs, where), question=texts, letter=LETTERS,
                              layer=cell.layer, coefficient=cell.multiplier)
        both = np.isfinite(ours).all(axis=1)
        means = [metrics.mean(metrics.scores_from_probabilities(side[both], matching[both], np.arange(2)))
                 for side, matching in ((ours, self._matching[rows]), (theirs, items.matching[places]))]
        apart = abs(float(means[0] - means[1]))
        self.found.score.see(np.array(apart or np.nan), layer=cell.layer, coefficient=cell.multiplier)

    def finish(self) -> RunAgreement:
        self.found.relabelled = len(self._relabelled)
        self.found.extent = {"questions": len(self._rows), "published cells": len(self._compared)}
        return self.found

    def missing(self, cells: list[Cell]) -> list[NotCompared]:
        """What only the run or only the folder has."""
        where = f"{self.found.model}/{self.found.run}"
        compared = {(cell.layer, cell.multiplier) for cell in self._compared}
        theirs = [f"{cell.multiplier:g} at layer {cell.layer}" for cell in cells
                  if (cell.layer, cell.multiplier) not in compared]
        rest = len(self.ours.text) - len(self._rows | self._undone)
        found = [NotCompared(where, "cells", self._cells_left(compared), left(theirs)),
                 NotCompared(where, "questions", Left(rest), Left(len(self._items))),
                 NotCompared(where, "questions", Left(len(self._undone - self._rows)), Left(), why="not done in")]
        return [one for one in found if one.results.count or one.other.count]

    def _cells_left(self, compared: set[tuple[int, float]]) -> Left:
        """Steered cells of the run that no file was held against."""
        steered = [c for c in self.ours.coords["coefficient"].tolist() if c != 0]
        unit = self.ours.attributes["coefficient_unit"]
        shown = f" {h5.one_line(unit, 30)}" if unit != "multiplier" else ""
        rest = (f"{c:g}{shown} at layer {layer}" for layer in self._layers for c in steered if (layer, c) not in compared)
        count = len(self._layers) * len(steered) - sum(layer in self._layers and c in steered for layer, c in compared)
        return Left(count, tuple(itertools.islice(rest, SHOWN)))
