"""Which questions of a run are one question asked again: with its choices in another order, or word for word.

Data sets often hold a question in both orders of its choices, so that a preference for a letter evens out. The two
answers are no independent observations: taken as such they give intervals that are too narrow where the content decides
the answers, and too wide where the letter does. Intervals therefore draw such questions together. Called by summary.py;
knows texts only.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

_CHOICE = re.compile(r"^[^\S\n]*\([A-Z]\)", re.MULTILINE)  # "\n (A) ..." and "\n(A) ..."; one pass over any text
_BLANK = re.compile(r"\n[^\S\n]*\n")


@dataclasses.dataclass(frozen=True)
class Clusters:
    """`index` [question]: which cluster a question belongs to, counted from 0 by first appearance; `count` clusters.

    `pairs`: every cluster is one question in two different orders of its choices."""

    index: np.ndarray
    count: int
    pairs: bool


def clusters(texts: Sequence[str]) -> Clusters:
    """Questions that are the same but for the order and the letters of their choices, or word for word.

    A text without two lines of choices is the same as its verbatim copies only, an empty one (nothing recorded) as none."""
    members: dict[tuple, list[int]] = {}
    orders = []
    for i, text in enumerate(texts):
        stem, choices = _parts(str(text))
        orders.append(choices)
        members.setdefault((stem, *sorted(choices)) if stem or choices else (i,), []).append(i)
    index = np.zeros(len(orders), dtype=np.int64)
    for cluster, questions in enumerate(members.values()):
        index[questions] = cluster
    pairs = bool(members) and all(len(found) == 2 and orders[found[0]] != orders[found[1]] for found in members.values())
    return Clusters(index, len(members), pairs)


def _parts(text: str) -> tuple[str, tuple[str, ...]]:
    """What stands outside the choices, and every choice without its letter, in the text's order; white space does not
    count. The last choice ends at a blank line. Without two lines of choices the whole text and no choice."""
    found = list(_CHOICE.finditer(text))
    if len(found) < 2:
        return _squeezed(text), ()
    blank = _BLANK.search(text, found[-1].end())
    ends = [choice.start() for choice in found[1:]] + [blank.start() if blank else len(text)]
    return (_squeezed(f"{text[:found[0].start()]}\n{text[ends[-1]:]}"),
            tuple(_squeezed(text[choice.end():end]) for choice, end in zip(found, ends)))


def _squeezed(text: str) -> str:
    return " ".join(text.split())
