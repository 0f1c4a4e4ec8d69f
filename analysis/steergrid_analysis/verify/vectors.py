"""Holds a vector source of one result file against the source of the same name in another.

The vector belongs together by layer, the sums of blocks by the pairs of a block, stored activations by pair: each counts
where its units are done in both files. Arrays are read in slabs. Called by files.py.
"""

from __future__ import annotations

import h5py
import numpy as np

from .. import h5
from ..rows import BLOCK_ARRAYS, VECTOR_ARRAYS, Rows, VectorRows
from .agreement import VectorAgreement, differs, relative_distances, row_cosines
from .pairing import Left, NotCompared, Pairing, left, leftovers, pair, slabs, undone


def compare_vectors(model: str, name: str, ours: VectorRows, theirs: VectorRows) -> tuple[VectorAgreement, list[NotCompared]]:
    """Every number that units fill. Throws ResultFileError."""
    where = f"{model}/{name}"
    found = VectorAgreement(model, name)
    layers = pair(ours.layer.tolist(), theirs.layer.tolist())
    missing = leftovers(where, "layers", layers)
    if not ours.done or not theirs.done:
        missing += undone(where, "vectors", np.array([ours.done]), np.array([theirs.done]))
    elif widths := _other_widths(_sides(ours, theirs, "mean", VECTOR_ARRAYS["mean"])):
        missing.append(NotCompared(where, "hidden sizes", *widths))
    else:
        _compare_vector(found, ours, theirs, layers)
    missing += _compare_blocks(found, ours, theirs, layers, where)
    missing += _compare_activations(found, ours, theirs, where)
    return found, missing


def _sides(ours: Rows, theirs: Rows, name: str, dims: tuple[str, ...]) -> list[h5py.Dataset]:
    return [side.dataset(name, "f", dims) for side in (ours, theirs)]


def _other_widths(sides: list[h5py.Dataset]) -> list[Left]:
    """Both hidden sizes where they differ: such vectors belong to other models."""
    widths = [side.shape[-1] for side in sides]
    return [] if widths[0] == widths[1] else [left([width]) for width in widths]


def _compare_vector(found: VectorAgreement, ours: VectorRows, theirs: VectorRows, layers: Pairing) -> None:
    names = ours.layer[layers.ours]
    for array, dims in VECTOR_ARRAYS.items():
        sides = _sides(ours, theirs, array, dims)
        for part in slabs(len(layers.ours), max(map(h5.row_bytes, sides))):
            a, b = (h5.rows(side, index[part]) for side, index in zip(sides, (layers.ours, layers.theirs)))
            rows = (a, b) if "hidden" in dims else (a[:, None], b[:, None])
            _see(found, array, *rows, names[part])
            if array == "mean":
                found.cosine.see(row_cosines(a, b), layer=names[part].tolist())
    found.extent["layers"] = len(layers.ours)


def _compare_blocks(found: VectorAgreement, ours: VectorRows, theirs: VectorRows, layers: Pairing,
                    where: str) -> list[NotCompared]:
    """Blocks belong together where they hold the same pairs in the same order."""
    blocks = pair(*[[tuple(side.pairs[first : first + count]) for first, count in side.blocks] for side in (ours, theirs)])
    missing = leftovers(where, "blocks of pairs", blocks, named=False)
    done = ours.blocks_done[blocks.ours], theirs.blocks_done[blocks.theirs]
    missing += undone(where, "blocks of pairs", *done)
    blocks = blocks.where(done[0] & done[1])
    if widths := _other_widths(_sides(ours, theirs, "block_sums", BLOCK_ARRAYS["block_sums"])):
        return missing + [NotCompared(where, "hidden sizes of blocks", *widths)]
    for array, dims in BLOCK_ARRAYS.items():
        _compare_rows(found, array, _sides(ours, theirs, array, dims), blocks, layers, ours.layer, "hidden" in dims)
    found.extent["blocks"] = len(blocks.ours)
    return missing


def _compare_activations(found: VectorAgreement, ours: VectorRows, theirs: VectorRows, where: str) -> list[NotCompared]:
    """Only where both files have them."""
    if ours.activations is None or theirs.activations is None:
        has = [left([1] * (side.activations is not None), named=False) for side in (ours, theirs)]
        return [NotCompared(where, "activations", *has)] if any(one.count for one in has) else []
    pairs = pair(ours.pairs, theirs.pairs)
    missing = leftovers(where, "pairs with activations", pairs, named=False)
    done = ours.pairs_done()[pairs.ours], theirs.pairs_done()[pairs.theirs]
    pairs = pairs.where(done[0] & done[1])  # what is not done is told of the blocks
    stored = ours.activations, theirs.activations
    layers = pair(*[side.layer.tolist() for side in stored])
    sides = [side.array() for side in stored]
    if stored[0].member != stored[1].member or _other_widths(sides):
        return missing + [NotCompared(where, "activations of another shape", *[left([1], named=False)] * 2)]
    _compare_rows(found, "activations", sides, pairs, layers, stored[0].layer, True)
    found.extent["pairs with activations"] = len(pairs.ours)
    return missing


def _compare_rows(found: VectorAgreement, array: str, sides: list[h5py.Dataset], rows: Pairing, layers: Pairing,
                  names: np.ndarray, hidden: bool) -> None:
    """Arrays [row, ..., layer, hidden] or [row, layer]."""
    axis = -2 if hidden else -1
    for part in slabs(len(rows.ours), max(map(h5.row_bytes, sides))):
        a, b = (np.take(h5.rows(side, index[part]), places, axis=axis)
                for side, index, places in zip(sides, (rows.ours, rows.theirs), (layers.ours, layers.theirs)))
        _see(found, array, *((a, b) if hidden else (a[..., None], b[..., None])), names[layers.ours])


def _see(found: VectorAgreement, array: str, ours: np.ndarray, theirs: np.ndarray, layers: np.ndarray) -> None:
    """Takes note of a slab [..., layer, hidden]: what differs in bits, and how far apart it is at each layer."""
    found.values += ours.size
    different = int(np.sum(differs(ours, theirs)))
    if different == 0:
        return
    found.different += different
    if array not in found.arrays:
        found.arrays.append(array)
    distance = relative_distances(ours, theirs)
    by_layer = np.fmax.reduce(distance.reshape(-1, distance.shape[-1]), axis=0)
    for layer, value in zip(layers.tolist(), by_layer.tolist()):
        if not np.isnan(value):
            found.by_layer[layer] = max(value, found.by_layer.get(layer, 0.0))
    found.distance.see(by_layer, layer=layers.tolist(), array=array)
