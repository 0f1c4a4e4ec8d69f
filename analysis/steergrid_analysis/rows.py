"""Runs and vector sources of a result file whose arrays stay on disk: axes and texts at once, numbers a few rows at a time.

Knows the arrays of /models/M/runs/R, vectors/V and activations/V (docs/result-file.md), and which of their rows hold
results. Masks nothing: whoever reads rows leaves out those that are not done. Made by results.py; verification reads
from here, and `ResultFile.run` is all of it at once.
"""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np

from . import h5
from .h5 import ResultFileError

CELL = ("question", "layer", "coefficient")
RUN_ARRAYS = {"letter_logprob": ("f", CELL + ("letter",)), "baseline_logprob": ("f", ("question", "letter")),
              "top_logprob": ("f", CELL), "baseline_top_logprob": ("f", ("question",)),
              "top_token": ("iu", CELL), "baseline_top_token": ("iu", ("question",)),
              "matching_letter": ("iu", ("question",)), "other_letter": ("iu", ("question",))}
VECTOR_ARRAYS = {"mean": ("layer", "hidden"), "scale": ("layer",), "mean_norm": ("layer",), "residual_norm": ("layer",)}
BLOCK_ARRAYS = {"block_sums": ("block", "layer", "hidden"), "block_norm_sums": ("block", "layer")}


@dataclasses.dataclass(frozen=True)
class Rows:
    """A group with labelled axes."""

    group: h5py.Group
    lengths: dict[str, int | None]  # by axis; None: any

    def dataset(self, name: str, kinds: str, dims: tuple[str, ...]) -> h5py.Dataset:
        """An array over the axes `dims`, unread. Throws ResultFileError."""
        return h5.dataset(self.group, name, kinds, tuple(self.lengths[dim] for dim in dims))


@dataclasses.dataclass(frozen=True)
class RunRows(Rows):
    """One evaluation."""

    coords: dict[str, np.ndarray | list[str]]  # question, layer, coefficient, letter
    text: list[str]
    attributes: dict[str, str]
    done: np.ndarray  # [question]: the unsteered pass and what is steered ...
    steered: np.ndarray  # [question]: ... but for units whose steered cells were blocked

    def array(self, name: str) -> h5py.Dataset:
        """One of RUN_ARRAYS, unread."""
        return self.dataset(name, *RUN_ARRAYS[name])

    def letters_at(self, name: str) -> np.ndarray:
        """matching_letter or other_letter, [question] index into the letters, -1: none of them."""
        index = h5.whole(self.array(name))
        letters = self.lengths["letter"]
        if index.size and (index.min() < -1 or index.max() >= letters):
            raise ResultFileError(f"expected letters from -1 to {letters - 1}, found {index.min()} to {index.max()}, "
                                  f"at {h5.where(self.group, name)}")
        return index


@dataclasses.dataclass(frozen=True)
class VectorRows(Rows):
    """One vector source: its vector, the blocks of pairs it was made from, and its stored activations if there are any."""

    layer: np.ndarray
    pairs: list[tuple[str, str, str]]  # question, matching text, other text
    done: bool  # the vector
    blocks: list[tuple[int, int]]  # first pair, pairs
    blocks_done: np.ndarray  # [block]
    activations: ActivationRows | None

    def pairs_done(self) -> np.ndarray:
        """[pair]: in a block that is done."""
        found = np.zeros(len(self.pairs), dtype=bool)
        for (first, count), done in zip(self.blocks, self.blocks_done):
            found[first : first + count] |= bool(done)
        return found


@dataclasses.dataclass(frozen=True)
class ActivationRows(Rows):
    """The residuals that `store: activations` keeps, a row a pair."""

    member: list[str]
    layer: np.ndarray

    def array(self) -> h5py.Dataset:
        """[pair, member, layer, hidden], unread."""
        return self.dataset("activations", "f", ("pair", "member", "layer", "hidden"))


def open_run(group: h5py.Group, done: np.ndarray, steered: np.ndarray, attributes: dict[str, str]) -> RunRows:
    """The axes of a run, checked: a grid must not repeat a label, and coefficients are numbers. Throws ResultFileError."""
    coords = {"question": h5.array(group, "question", "iu", (None,)), "layer": h5.array(group, "layer", "iu", (None,)),
              "coefficient": h5.array(group, "coefficient", "f", (None,)), "letter": h5.strings(group, "letter", None)}
    for name in ("layer", "coefficient", "letter"):
        if len(set(list(coords[name]))) < len(coords[name]):
            raise ResultFileError(f"expected distinct values, found repeated ones, at {h5.where(group, name)}")
    if not np.isfinite(coords["coefficient"]).all():
        raise ResultFileError("expected finite coefficients, found one that is not, at "
                              f"{h5.where(group, 'coefficient')}")
    lengths = {dim: len(values) for dim, values in coords.items()}
    if done.size != lengths["question"]:
        raise ResultFileError(f"expected {lengths['question']} rows, found {done.size}, at "
                              f"{h5.where(group, 'question_unit')}")
    text = h5.strings(group, "text", lengths["question"])
    return RunRows(group, lengths, coords, text, attributes, done, steered)


def open_vectors(group: h5py.Group, layers: int, done: bool, blocks: list[tuple[int, int]], blocks_done: np.ndarray,
                 activations: h5py.Group | None) -> VectorRows:
    """The axes of a vector source; `blocks` must lie within its pairs. Throws ResultFileError."""
    layer = h5.array(group, "layer", "iu", (layers,))
    questions = h5.strings(group, "question", None)
    texts = [h5.strings(group, name, len(questions)) for name in ("matching_text", "other_text")]
    for first, count in blocks:
        if first < 0 or count < 0 or first + count > len(questions):
            raise ResultFileError(f"expected blocks within {len(questions)} pairs, found pairs {first} to "
                                  f"{first + count - 1}, at {h5.where(group, 'block_unit')}")
    taken = sorted(blocks)
    if any(first + count > after for (first, count), (after, _) in zip(taken, taken[1:])):
        raise ResultFileError("expected blocks that share no pair, found some that do, at "
                              f"{h5.where(group, 'block_unit')}")
    lengths = {"layer": layers, "hidden": None, "block": len(blocks)}
    stored = None if activations is None else _open_activations(activations, len(questions))
    return VectorRows(group, lengths, layer, list(zip(questions, *texts)), done, blocks, blocks_done, stored)


def _open_activations(group: h5py.Group, pairs: int) -> ActivationRows:
    member = h5.strings(group, "member", None)
    layer = h5.array(group, "layer", "iu", (None,))
    lengths = {"pair": pairs, "member": len(member), "layer": layer.size, "hidden": None}
    return ActivationRows(group, lengths, member, layer)
