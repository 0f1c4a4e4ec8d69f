"""Figures and tables of an earlier report in the same folder: remembered when written, removed when not written again.

A report lists what it wrote under figures/ and tables/ in MANIFEST, beside its page. The next report into that folder takes
away what the list names and what is still a plain file there, so that nothing stands beside a page that it does not belong
to. Nothing else is ever removed. The list may have come from anywhere: only names that a report could have written count,
and no link is followed, neither to the list, nor through figures/ or tables/, nor from there. Called by cli.py.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

MANIFEST = ".steergrid-report"
_NAME = re.compile(r"(?:figures/[A-Za-z0-9._-]+\.(?:png|pdf)|tables/[A-Za-z0-9._-]+\.(?:csv|tex))")
_HEAD = "# Written by the report in this folder; the next one removes those of these files that it does not write again."
_MAX_BYTES = 1 << 24


def remembered(folder: Path) -> set[str]:
    """What the list in `folder` names, relative to it; empty where there is none, or none that could be a report's."""
    try:
        with open(folder / MANIFEST, "rb", opener=_open_plain) as file:
            text = file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return set()
    return {line for line in text.split("\n") if _NAME.fullmatch(line)}


def remember(folder: Path, names: Iterable[str]) -> None:
    """Replaces the list. Throws OSError."""
    beside = folder / f"{MANIFEST}.new"
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()  # of a report that was killed, or a link
    with open(beside, "x", encoding="utf-8", newline="\n") as file:
        file.write("".join(f"{line}\n" for line in (_HEAD, *sorted(names))))
    os.replace(beside, folder / MANIFEST)


def remove(folder: Path, names: Iterable[str]) -> int:
    """Removes those of `names` (as `remembered` gives them) that are plain files in `folder`; returns how many.

    Throws OSError where a file is there and cannot be removed."""
    removed = 0
    for name in sorted(names):
        parent, _, last = name.partition("/")
        try:
            inside = os.open(folder / parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):  # the latter for a link, too
            continue
        try:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISREG(os.stat(last, dir_fd=inside, follow_symlinks=False).st_mode):
                    os.unlink(last, dir_fd=inside)
                    removed += 1
        finally:
            os.close(inside)
    return removed


def _open_plain(path, flags: int) -> int:
    """Opens a plain file only, and never waits for another end."""
    found = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError("not a plain file")
    return found
