"""Checked reading of single HDF5 objects from a file that nobody vouches for.

Every function says what it expected, what it found and where, as a ResultFileError that names the file; nothing from
h5py escapes.
Only plain data inside this one file is read: external and soft links, virtual and externally stored datasets are
refused, and an array that claims more bytes than the file has is refused before memory is taken for it. Called by
results.py, sched.py and rows.py.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}")
MAX_STRINGS = 1_000_000
MAX_ROW_BYTES = 2**28


class ResultFileError(Exception):
    """A result file that cannot be used; the message is one line: expected, found, where."""


def where(owner: h5py.Group | h5py.Dataset, name: str = "") -> str:
    """What errors call an object, or its member or `@attribute` of that name: path and file."""
    joint = "" if not name or name.startswith("@") or owner.name == "/" else "/"
    return f"{owner.name}{joint}{name} of {one_line(owner.file.filename)}"


@contextlib.contextmanager
def reading(owner: h5py.Group | h5py.Dataset, name: str = "") -> Iterator[None]:
    """Turns whatever h5py raises on a damaged object into a ResultFileError that says where."""
    try:
        yield
    except ResultFileError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ValueError, TypeError, UnicodeError ...
        raise ResultFileError(f"expected readable HDF5 data, found {one_line(str(error))!r}, "
                              f"at {where(owner, name)}") from error


def one_line(text: str, limit: int = 200) -> str:
    """Text from a file as one printable line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def open_file(path: str | os.PathLike[str]) -> h5py.File:
    """Opens read-only without locking (a run may be writing). Throws ResultFileError."""
    path = Path(path)
    shown = one_line(str(path))
    if not path.exists():
        raise ResultFileError(f"expected a result file, found nothing, at {shown}")
    if not path.is_file():
        raise ResultFileError(f"expected a result file, found something that is not a regular file, at {shown}")
    try:
        if path.stat().st_size == 0:
            raise ResultFileError(f"expected an HDF5 file, found an empty file, at {shown}")
        if not h5py.is_hdf5(path):
            raise ResultFileError(f"expected an HDF5 file, found another kind of file, at {shown}")
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        reason = one_line(str(error))
        found = "a truncated file" if "truncated" in reason else f"a file that does not open ({reason})"
        raise ResultFileError(f"expected a complete HDF5 file, found {found}, at {shown}") from error


def child_names(group: h5py.Group) -> list[str]:
    """Names of the members of a group, each checked to be a plain name."""
    with reading(group):
        names = list(group)
    for name in names:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ResultFileError(f"expected a name of letters, digits, '.', '_', '-', found {one_line(str(name))!r}, "
                                  f"at {where(group)}")
    return names


def holds(group: h5py.Group, name: str) -> bool:
    """Whether the group has a member of that name."""
    with reading(group):
        return name in group


def member(parent: h5py.Group, name: str, kind: type) -> h5py.Group | h5py.Dataset:
    """The group or dataset `name` of `parent`, inside this file."""
    what = "group" if kind is h5py.Group else "dataset"
    with reading(parent, name):
        if not holds(parent, name):
            there = one_line(", ".join(list(parent)[:12])) if kind is h5py.Group else ""
            found = f"found {there}{', …' if len(parent) > 12 else ''}" if there else "found none"
            raise ResultFileError(f"expected the {what} '{name}', {found}, at {where(parent, name)}")
        link = parent.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise ResultFileError(f"expected a {what}, found a link to another file, at {where(parent, name)}")
        if not isinstance(link, h5py.HardLink):  # it may lead to such a link
            raise ResultFileError(f"expected a {what}, found a soft link, at {where(parent, name)}")
        found = parent[name]
        if not isinstance(found, kind):
            raise ResultFileError(f"expected a {what}, found a {type(found).__name__.lower()}, "
                                  f"at {where(parent, name)}")
    return found


def group(parent: h5py.Group, name: str) -> h5py.Group:
    return member(parent, name, h5py.Group)


def _plain_dataset(parent: h5py.Group, name: str) -> h5py.Dataset:
    dataset = member(parent, name, h5py.Dataset)
    with reading(dataset):
        if dataset.is_virtual or dataset.external:
            raise ResultFileError(f"expected data inside the file, found a reference to another file, "
                                  f"at {where(dataset)}")
        file_bytes = os.stat(dataset.file.filename).st_size
        if dataset.size and dataset.nbytes > file_bytes:
            raise ResultFileError(f"expected an array that fits into the file ({file_bytes} bytes), "
                                  f"found {dataset.nbytes} bytes, at {where(dataset)}")
    return dataset


def dataset(parent: h5py.Group, name: str, kinds: str, shape: tuple[int | None, ...]) -> h5py.Dataset:
    """A dataset whose dtype kind is one of `kinds` ('f', 'iu', 'V') and whose shape is `shape` (None: any length), unread."""
    found = _plain_dataset(parent, name)
    if found.dtype.kind not in kinds or (found.dtype.kind in "fiu" and found.dtype.itemsize > 8):
        raise ResultFileError(f"expected numbers of kind '{kinds}', found {found.dtype}, at {where(found)}")
    fits = len(found.shape) == len(shape) and all(want in (None, has) for want, has in zip(shape, found.shape))
    if not fits:
        wanted = tuple("any" if length is None else length for length in shape)
        raise ResultFileError(f"expected the shape {wanted}, found {found.shape}, ".replace("'", "") + f"at {where(found)}")
    return found


def array(parent: h5py.Group, name: str, kinds: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """All of such a dataset."""
    return whole(dataset(parent, name, kinds, shape))


def whole(checked: h5py.Dataset, part: tuple = ()) -> np.ndarray:
    """All of a dataset that `dataset` checked, or `part` of it."""
    with reading(checked):
        return checked[part]


def row_bytes(checked: h5py.Dataset) -> int:
    """Bytes of one row of a dataset, empty axes counted as 1; refuses rows that nobody should hold in memory (a sparse
    file, or one without rows, claims what it likes)."""
    size = math.prod(max(1, length) for length in checked.shape[1:]) * checked.dtype.itemsize
    if size > MAX_ROW_BYTES:
        raise ResultFileError(f"expected rows of at most {MAX_ROW_BYTES} bytes, found {size} bytes, at {where(checked)}")
    return size


def rows(checked: h5py.Dataset, index: np.ndarray) -> np.ndarray:
    """The rows `index` of a dataset that `dataset` checked, [len(index), ...]; neighbours come in one read."""
    row_bytes(checked)
    with reading(checked):
        found = np.empty((len(index), *checked.shape[1:]), checked.dtype)
        ends = [*(np.flatnonzero(np.diff(index) != 1) + 1), len(index)] if len(index) else []
        for first, end in zip([0, *ends], ends):
            found[first:end] = checked[int(index[first]) : int(index[first]) + int(end - first)]
    return found


def strings(parent: h5py.Group, name: str, length: int | None) -> list[str]:
    """A list of strings; bytes that are not UTF-8 are replaced."""
    dataset = _plain_dataset(parent, name)
    with reading(dataset):
        found = h5py.check_string_dtype(dataset.dtype)
        if found is None or dataset.ndim != 1 or length not in (None, dataset.shape[0]):
            wanted = "a list of" if length is None else f"{length}"
            raise ResultFileError(f"expected {wanted} strings, found {dataset.dtype} {dataset.shape}, at {where(dataset)}")
        if dataset.shape[0] > MAX_STRINGS:
            raise ResultFileError(f"expected at most {MAX_STRINGS} strings, found {dataset.shape[0]}, at {where(dataset)}")
        return [_decoded(value) for value in dataset[()]]


def scalar_string(parent: h5py.Group, name: str) -> str:
    dataset = _plain_dataset(parent, name)
    with reading(dataset):
        if h5py.check_string_dtype(dataset.dtype) is None or dataset.shape != ():
            raise ResultFileError(f"expected one string, found {dataset.dtype} {dataset.shape}, at {where(dataset)}")
        return _decoded(dataset[()])


def attribute_text(owner: h5py.Group, name: str, default: str | None = None) -> str:
    """A text attribute. Without a default it must be there."""
    value = _attribute(owner, name, default)
    return _decoded(value) if isinstance(value, (bytes, str)) else str(value)


def attribute_int(owner: h5py.Group, name: str, default: int | None = None) -> int:
    value = _attribute(owner, name, default)
    with reading(owner, f"@{name}"):
        if not isinstance(value, (int, np.integer)):
            raise ResultFileError(f"expected an integer, found {one_line(str(value))!r}, at {where(owner, f'@{name}')}")
        return int(value)


def _attribute(owner: h5py.Group, name: str, default):
    with reading(owner, f"@{name}"):
        if name not in owner.attrs:
            if default is None:
                raise ResultFileError(f"expected the attribute '{name}', found none, at {where(owner, f'@{name}')}")
            return default
        value = owner.attrs[name]
        return value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else value


def _decoded(value: bytes | str) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode("utf-8", "replace").decode("utf-8").rstrip("\0")
