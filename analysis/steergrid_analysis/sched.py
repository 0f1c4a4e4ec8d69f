"""The bookkeeping of a sweep: unit records, what failed and why, launches.

Reads /sched of a result file (docs/result-file.md); every array that results.py returns is masked by the states found
here. Knows nothing of models or probabilities. Called by results.py only.
"""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import xarray as xr

from . import h5
from .h5 import ResultFileError

ABSENT, DONE, FAILED, BLOCKED = range(4)
STATES = ("absent", "done", "failed", "blocked")
KINDS = ("extract", "vectors", "evaluate")
FLAG_NON_FINITE, FLAG_BASELINE_ONLY, FLAG_MIXED, FLAG_REUSED = 1, 2, 4, 8


@dataclasses.dataclass(frozen=True)
class UnitCounts:
    """How many units are in which state, and how many done ones carry a flag."""

    total: int
    done: int
    failed: int
    blocked: int
    absent: int
    non_finite: int
    baseline_only: int
    mixed: int
    reused: int

    @property
    def complete(self) -> bool:
        return self.done == self.total


@dataclasses.dataclass(frozen=True)
class Failure:
    """A unit that failed or is blocked, with its sentence."""

    unit: int
    state: str
    kind: str
    model: str
    target: str
    first: int
    count: int
    attempts: int
    message: str


def read_units(sched: h5py.Group) -> xr.Dataset:
    """/sched as a dataset over `unit`: the fields of the records, what each unit covers, and its message."""
    records = h5.array(sched, "units", "V", (None,))
    total = records.size
    needed = ("state", "attempt", "flags", "launch", "started", "finished")
    missing = [name for name in needed if name not in (records.dtype.names or ())]
    if missing:
        raise ResultFileError(f"expected records with the fields {', '.join(needed)}, found none of the name "
                              f"{', '.join(missing)}, at {h5.where(sched, 'units')}")
    data = {name: (("unit",), records[name].astype(np.int64)) for name in needed}
    for name in ("kind", "model", "target", "first", "count"):
        data[name] = (("unit",), h5.array(sched, name, "iu", (total,)).astype(np.int64))
    state = data["state"][1]
    if total and (state.min() < 0 or state.max() >= len(STATES)):
        raise ResultFileError(f"expected states from 0 to {len(STATES) - 1}, found {state.max()}, "
                              f"at {h5.where(sched, 'units')}")
    message = h5.array(sched, "message", "u", (total, None))
    texts = [row.astype(np.uint8).tobytes().split(b"\0", 1)[0].decode("utf-8", "replace") for row in message]
    data["message"] = (("unit",), np.array(texts, dtype=object))
    return xr.Dataset(data, coords={"unit": np.arange(total)})


def counts(units: xr.Dataset) -> UnitCounts:
    state, flags = units["state"].values, units["flags"].values
    done = state == DONE
    flagged = {bit: int(np.sum(done & (flags & bit > 0)))
               for bit in (FLAG_NON_FINITE, FLAG_BASELINE_ONLY, FLAG_MIXED, FLAG_REUSED)}
    return UnitCounts(total=state.size, done=int(done.sum()), failed=int(np.sum(state == FAILED)),
                      blocked=int(np.sum(state == BLOCKED)), absent=int(np.sum(state == ABSENT)),
                      non_finite=flagged[FLAG_NON_FINITE], baseline_only=flagged[FLAG_BASELINE_ONLY],
                      mixed=flagged[FLAG_MIXED], reused=flagged[FLAG_REUSED])


def failures(units: xr.Dataset, owner: dict[int, tuple[str, str]]) -> list[Failure]:
    """Failed and blocked units; `owner` maps a unit to its model and its vectors or run."""
    found = []
    for unit in np.flatnonzero(np.isin(units["state"].values, (FAILED, BLOCKED))):
        row = {name: int(units[name].values[unit]) for name in ("state", "kind", "first", "count", "attempt")}
        model, target = owner.get(int(unit), ("?", "?"))
        kind = KINDS[row["kind"]] if row["kind"] < len(KINDS) else f"kind {row['kind']}"
        found.append(Failure(int(unit), STATES[row["state"]], kind, model, target, row["first"], row["count"],
                             row["attempt"], str(units["message"].values[unit])))
    return found


def read_launches(sched: h5py.Group) -> list[dict[str, str]]:
    """/sched/launches as texts by field name; records that were never written (all zero) are left out."""
    if not h5.holds(sched, "launches"):
        return []
    records = h5.array(sched, "launches", "V", (None,))
    names = [name for name in records.dtype.names or () if not name.startswith("reserved")]
    written = [record for record in records if any(record.tobytes())]
    texts = [{name: _launch_text(name, record[name]) for name in names} for record in written]
    return [{name: text for name, text in launch.items() if text} for launch in texts]


def _launch_text(name: str, value) -> str:
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        value = value.tobytes().split(b"\0", 1)[0]
    if isinstance(value, bytes):
        return value.split(b"\0", 1)[0].decode("utf-8", "replace")
    if isinstance(value, np.integer) and value > 10**17:  # nanoseconds since the epoch
        return f"{np.datetime64(int(value), 'ns').astype('datetime64[s]')}Z"
    return str(value)
