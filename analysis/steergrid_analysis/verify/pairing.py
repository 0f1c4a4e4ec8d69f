"""Which places of one labelled axis belong to which of another, and what only one of the two has.

Labels are texts or numbers and decide alone; where a label stands more than once, its first occurrence here belongs to
the first one there, and so on. Used by everything that holds two results against each other.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np

from ..h5 import one_line

SLAB_BYTES = 2**23  # what is read at once of an array, by either side
SHOWN = 4  # labels that are named where many are left over


@dataclasses.dataclass(frozen=True)
class Pairing:
    """Places that belong together, in the order of the first axis, and the labels that are left over on each side."""

    ours: np.ndarray
    theirs: np.ndarray
    only_ours: list
    only_theirs: list

    def where(self, keep: np.ndarray) -> Pairing:
        """Only the pairs that `keep` [pair] marks; what is left over stays as it was."""
        return dataclasses.replace(self, ours=self.ours[keep], theirs=self.theirs[keep])


def numbered(labels: Iterable[Hashable]) -> list[tuple[Hashable, int]]:
    """Each label with how often it stood before."""
    seen: Counter = Counter()
    found = []
    for label in labels:
        found.append((label, seen[label]))
        seen[label] += 1
    return found


def pair(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> Pairing:
    """Pairs equal labels."""
    place = {label: index for index, label in enumerate(numbered(theirs))}
    both, only_ours = [], []
    for index, label in enumerate(numbered(ours)):
        there = place.pop(label, None)
        if there is None:
            only_ours.append(label[0])
        else:
            both.append((index, there))
    indices = np.array(both, dtype=np.int64).reshape(-1, 2)
    return Pairing(indices[:, 0], indices[:, 1], only_ours, [label for label, _ in place])


def slabs(count: int, row_bytes: int) -> Iterator[slice]:
    """`count` rows in parts of about SLAB_BYTES, one row at least."""
    step = max(1, SLAB_BYTES // row_bytes)
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))


@dataclasses.dataclass(frozen=True)
class Left:
    """How much one side has that was not compared: how many, and the first few by name."""

    count: int = 0
    names: tuple[str, ...] = ()


def left(labels: Sequence, named: bool = True) -> Left:
    return Left(len(labels), tuple(one_line(shown(label), 60) for label in labels[:SHOWN]) if named else ())


def shown(label) -> str:
    """A label as a user knows it: whole numbers without a point."""
    return f"{label:g}" if isinstance(label, (float, np.floating)) else str(label)


@dataclasses.dataclass(frozen=True)
class NotCompared:
    """What one or both sides have that the verdict does not speak of. `why`: "only in" or "not done in"."""

    where: str  # MODEL/RUN, MODEL, or empty: the whole file
    what: str  # plural: "layers"
    results: Left
    other: Left
    why: str = "only in"


def leftovers(where: str, what: str, pairing: Pairing, named: bool = True) -> list[NotCompared]:
    """What only one side has of an axis; nothing where both have the same."""
    if not pairing.only_ours and not pairing.only_theirs:
        return []
    return [NotCompared(where, what, left(pairing.only_ours, named), left(pairing.only_theirs, named))]


def undone(where: str, what: str, ours: np.ndarray, theirs: np.ndarray) -> list[NotCompared]:
    """Of what both have, what is not done on either side; masks [pair] of what is done."""
    if ours.all() and theirs.all():
        return []
    counts = [Left(int(np.sum(~done))) for done in (ours, theirs)]
    return [NotCompared(where, what, *counts, why="not done in")]
