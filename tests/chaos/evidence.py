"""What a hurt launch left behind, held against an undisturbed run. Not a test; `trials.py` calls it."""

from pathlib import Path

import h5py
import numpy as np

KIND = ("extract", "vectors", "evaluate")
DONE, FAILED, BLOCKED = 1, 2, 3


def rows_by_unit(path: Path) -> dict[int, dict[str, bytes]]:
    """For every unit that is done: the bytes of each dataset's rows that it filled."""
    with h5py.File(path, "r") as file:
        sched = {name: file[f"sched/{name}"][()] for name in ("units", "kind", "model", "target", "first", "count")}
        models = {int(g.attrs["index"]): g for g in file["models"].values()}
        done = (sched["units"]["state"] == DONE).nonzero()[0]
        return {int(u): rows_of(models[int(sched["model"][u])], sched, int(u)) for u in done}


def rows_of(model: h5py.Group, sched: dict[str, np.ndarray], unit: int) -> dict[str, bytes]:
    first, count, target = (int(sched[name][unit]) for name in ("first", "count", "target"))
    items = slice(first, first + count)
    if KIND[sched["kind"][unit]] == "evaluate":
        run = member(model["runs"], target)
        names = [f"{prefix}{name}" for prefix in ("", "baseline_") for name in ("top_token", "top_logprob")]
        return {name: run[name][items].tobytes() for name in ("letter_logprob", "baseline_logprob", *names)}
    source = member(model["vectors"], target)
    if KIND[sched["kind"][unit]] == "vectors":
        return {name: source[name][()].tobytes() for name in ("mean", "scale", "mean_norm", "residual_norm")}
    block = list(source["block_unit"]).index(unit)
    rows = {name: source[name][block].tobytes() for name in ("block_sums", "block_norm_sums")}
    if "activations" in model:
        name = source.name.rsplit("/", 1)[1]
        rows["activations"] = model["activations"][name]["activations"][items].tobytes()
    return rows


def member(group: h5py.Group, index: int) -> h5py.Group:
    return next(g for g in group.values() if g.attrs["index"] == index)


def damage(
    path: Path,
    acknowledged: set[int],
    sound: dict[int, dict[str, bytes]],
    blocked: frozenset[int] = frozenset(),
) -> list[str]:
    """What is wrong with the file after a fault; empty: nothing.

    It opens; every unit that was seen done still is; what is called done has an undisturbed run's bits (of a unit in
    `blocked`, its baselines).
    """
    if not path.exists():
        return [f"the file is gone, with {len(acknowledged)} acknowledged units"] if acknowledged else []
    try:
        found = rows_by_unit(path)
    except OSError as error:
        return [f"the file does not open: {error}"]
    wrong = [f"unit {u} was acknowledged and is lost" for u in sorted(acknowledged - found.keys())]
    for unit, rows in found.items():
        names = [n for n in rows if unit not in blocked or n.startswith("baseline_")]
        wrong += [f"unit {unit} is called done: wrong bits in {n}" for n in names if rows[n] != sound[unit][n]]
    return wrong
