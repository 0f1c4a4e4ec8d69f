"""A folder of results as the CAA authors published them: which of its files are comparable, and their items.

One JSON file a behavior, layer and multiplier, named `results_layer=13_multiplier=1.0_behavior=refusal_type=ab_...json`:
a list of items with question, answer_matching_behavior, a_prob and b_prob. Nothing here is trusted: other names are
counted and left unread, and a file of a wrong shape is a ResultFileError that says what was expected, what was found and
where. Knows no result file of SteerGrid. Called by behaviors.py and folder.py.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import stat
from collections import Counter
from pathlib import Path

import numpy as np

from ..h5 import NAME, ResultFileError, one_line

MAX_BYTES = 2**24  # of one file; the published ones have 24 kB
MAX_FILES = 100_000
MAX_DEPTH = 2  # folders below the one that was named
_BASIC = ("layer", "multiplier", "behavior", "type", "use_base_model", "model_size")
_VARIANTS = ("system_prompt", "override_vector", "override_vector_model", "override_model_weights_path")
_PARTS = re.compile(f"_(?=(?:{'|'.join(_BASIC + _VARIANTS)})=)")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One comparable file."""

    behavior: str
    layer: int
    multiplier: float
    path: str


@dataclasses.dataclass(frozen=True)
class Folder:
    """What a folder holds. `others`: files that are not comparable, by reason."""

    path: str
    model_size: str
    cells: dict[str, list[Cell]]  # by behavior
    others: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Items:
    """What a file holds: questions, p(A) and p(B) [item, letter], matching letters [item] (0: A, 1: B, -1: neither)."""

    questions: list[str]
    probability: np.ndarray
    matching: np.ndarray


def open_folder(path: str | os.PathLike[str], size: str | None = None) -> Folder:
    """Looks at the names of the files of a folder and of the folders in it; reads none. `size`: which model's, as the files
    name it ("7b"), where there are several. Throws ResultFileError."""
    found: dict[tuple[str, str, int, float], Cell] = {}
    others: Counter[str] = Counter()
    for file in _files(path):
        fields = _fields(file.name)
        if fields is None:
            others["files with another name"] += 1
        elif reason := _why_not(fields):
            others[reason] += 1
        else:
            cell = Cell(fields["behavior"], int(fields["layer"]), float(fields["multiplier"]), str(file))
            twin = found.setdefault((fields["model_size"], cell.behavior, cell.layer, cell.multiplier), cell)
            if twin is not cell:
                raise ResultFileError("expected one file of a behavior, layer and multiplier, found "
                                      f"{one_line(twin.path)} and another, at {one_line(cell.path)}")
    if not found and set(others) <= {"files with another name"}:
        raise ResultFileError("expected results as CAA published them (results_layer=..._type=ab_...json), found "
                              f"{others.total()} other files, at {one_line(str(path))}")
    chosen = _chosen_size({key[0] for key in found}, size, one_line(str(path)))
    cells: dict[str, list[Cell]] = {}
    for key in sorted(found):
        if key[0] == chosen:
            cells.setdefault(found[key].behavior, []).append(found[key])
        else:
            others[f"files of size {one_line(key[0], 40)}"] += 1
    return Folder(str(path), chosen, cells, dict(sorted(others.items())))


def _chosen_size(sizes: set[str], size: str | None, where: str) -> str:
    there = one_line(", ".join(sorted(sizes)) or "none")
    if size is not None and size not in sizes:
        raise ResultFileError(f"expected a size that the folder's files name ({there}), found {one_line(size, 40)!r}, at --size")
    if size is None and len(sizes) > 1:
        raise ResultFileError(f"expected results of one model or a choice of its --size, found the sizes {there}, at {where}")
    return size or next(iter(sizes), "unknown")


def _files(path: str | os.PathLike[str]) -> list[Path]:
    """Regular files, at most MAX_FILES; links to folders are not followed."""
    found: list[Path] = []

    def refused(error: OSError) -> None:
        raise ResultFileError(f"expected a readable folder, found {error.strerror}, at {one_line(str(error.filename))}")

    top = os.path.abspath(path)
    for folder, below, names in os.walk(top, onerror=refused):
        if len(Path(folder).relative_to(top).parts) >= MAX_DEPTH:
            below.clear()
        found += [Path(folder, name) for name in names]
        if len(found) > MAX_FILES:
            raise ResultFileError(f"expected at most {MAX_FILES} files, found more, at {one_line(str(path))}")
    return found


def _fields(name: str) -> dict[str, str] | None:
    """The parts of a file's name by key; None where it is no name of CAA's."""
    first, *parts = _PARTS.split(name.removesuffix(".json"))
    fields = dict(part.split("=", 1) for part in parts)
    usable = (first == "results" and name.endswith(".json") and len(fields) == len(parts) and set(_BASIC) <= set(fields)
              and re.fullmatch(r"[0-9]{1,5}", fields["layer"])
              and re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,17})?", fields["multiplier"])
              and NAME.fullmatch(fields["behavior"]))
    return fields if usable else None


def _why_not(fields: dict[str, str]) -> str:
    """Why a file is not comparable; empty where it is."""
    if fields["type"] != "ab":
        return f"files of type {one_line(fields['type'], 40)}"
    for variant in _VARIANTS:
        if variant in fields:
            return f"files with {variant}"
    return "files of a base model" if fields["use_base_model"] != "False" else ""


def read_items(cell: Cell) -> Items:
    """The items of one file. Throws ResultFileError."""
    where = one_line(cell.path, 400)
    items = _json(cell.path, where)
    if not isinstance(items, list) or not items:
        raise ResultFileError(f"expected a list of items, found {_kind(items)}, at {where}")
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise ResultFileError(f"expected an object, found {_kind(item)}, at {where}, item {index}")
        for key in ("question", "answer_matching_behavior"):
            if not isinstance(item.get(key), str):
                raise ResultFileError(f"expected a text '{key}', found {_kind(item.get(key))}, at {where}, item {index}")
        for key in ("a_prob", "b_prob"):
            _check_probability(item.get(key), key, f"{where}, item {index}")
    labels = [item["answer_matching_behavior"] for item in items]
    return Items([item["question"] for item in items],
                 np.array([[item["a_prob"], item["b_prob"]] for item in items], dtype=np.float64),
                 np.array([0 if "A" in label else 1 if "B" in label else -1 for label in labels]))


def _json(path: str, where: str):
    """A file's JSON, if it is of a size that anyone would publish."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not hold us up
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise ResultFileError(f"expected a file, found something that is not a regular file, at {where}")
            if status.st_size > MAX_BYTES:
                raise ResultFileError(f"expected at most {MAX_BYTES} bytes, found {status.st_size}, at {where}")
            return json.loads(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise ResultFileError(f"expected a readable file, found {error.strerror}, at {where}") from error
    except (ValueError, RecursionError) as error:
        raise ResultFileError(f"expected JSON, found {one_line(str(error), 80)!r}, at {where}") from error


def _check_probability(value, key: str, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ResultFileError(f"expected a number '{key}', found {_kind(value)}, at {where}")
    if not (0 <= value <= 1) or not math.isfinite(value):
        raise ResultFileError(f"expected a probability '{key}', found {one_line(str(value), 40)}, at {where}")


def _kind(value) -> str:
    names = {dict: "an object", str: "a text", bool: "true or false", int: "a number", float: "a number", type(None): "none"}
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return names.get(type(value), "something else")
